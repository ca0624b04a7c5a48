"""Targets files: what the prompts are asked of, models and tools, with their prices.

A target has one of three prices. ``usd_per_cpu_hour`` is for a model server on this machine and
for tools: the CPU time that a call took there, at a stated price. ``input_usd_per_mtok`` and
``output_usd_per_mtok`` are US dollars per million tokens. Without any, LiteLLM's price list holds.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from toolkit.errors import DataError
from toolkit.logs.collect.answers import Message

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Strict):
    """Either CPU time, or tokens in and out."""

    usd_per_cpu_hour: Usd | None = None
    input_usd_per_mtok: Usd | None = None
    output_usd_per_mtok: Usd | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Price:
        tokens = (self.input_usd_per_mtok is not None, self.output_usd_per_mtok is not None)
        if any(tokens) != all(tokens) or any(tokens) == (self.usd_per_cpu_hour is not None):
            raise ValueError(
                "give either usd_per_cpu_hour, or both input_usd_per_mtok and output_usd_per_mtok"
            )
        return self


class Example(_Strict):
    """A question and its right answer, shown to the model before the prompt."""

    prompt: Text
    answer: Text


class ModelTarget(_Strict):
    """A model that LiteLLM reaches."""

    kind: Literal["model"]
    model: Text
    """As LiteLLM names it, such as ``openai/gpt-4o-mini``."""
    api_base: str | None = None
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of the environment variable that holds the key; the key itself is never written."""
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    temperature: Annotated[float, Field(ge=0)] | None = 0.0
    system: str | None = None
    examples: dict[str, tuple[Example, ...]] = Field(default_factory=dict)
    """Per category."""
    price: Price | None = None

    def messages(self, category: str, prompt: str) -> list[Message]:
        """The chat that asks ``prompt``: system text, examples of its category, then itself."""
        chat: list[Message] = []
        if self.system:
            chat.append({"role": "system", "content": self.system})
        for example in self.examples.get(category, ()):
            chat.append({"role": "user", "content": example.prompt})
            chat.append({"role": "assistant", "content": example.answer})
        return [*chat, {"role": "user", "content": prompt}]


class ToolTarget(_Strict):
    """A deterministic tool of our own; it runs in this process."""

    kind: Literal["tool"]
    tool: Literal["calculator"]
    price: Price | None = None

    @model_validator(mode="after")
    def _no_tokens(self) -> ToolTarget:
        if self.price and self.price.usd_per_cpu_hour is None:
            raise ValueError("a tool has no tokens: its price is usd_per_cpu_hour")
        return self


Target = Annotated[ModelTarget | ToolTarget, Field(discriminator="kind")]


class Targets(_Strict):
    """A targets file: names to targets."""

    targets: Annotated[dict[Text, Target], Field(min_length=1)]


def load_targets(path: str | Path) -> dict[str, ModelTarget | ToolTarget]:
    """Read a targets file. Raises DataError that names each wrong key, or a key that is not set."""
    path = Path(path)
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_Plain)  # noqa: S506
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the targets {path}: {error}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path.name} is not YAML that can be used: {error}") from None
    try:
        targets = Targets.model_validate(found).targets
    except ValidationError as error:
        problems = [
            f"{path.name}: {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}"
            for e in error.errors()
        ]
        raise DataError("\n".join(problems)) from None
    for name, target in targets.items():
        key = target.api_key_env if isinstance(target, ModelTarget) else None
        if key and not os.environ.get(key):
            raise DataError(
                f"{path.name}: targets.{name}: the environment variable {key} is not set"
            )
    return targets


class _Plain(yaml.SafeLoader):
    """Safe YAML without aliases, which can blow up, and without keys that hide an earlier one."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(
                None, None, "aliases are not allowed", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := {key for key in keys if isinstance(key, str) and keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(
                None, None, f"{min(twice)!r} is there twice", node.start_mark
            )
        return super().construct_mapping(node, deep)
