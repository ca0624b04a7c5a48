"""Targets files: what the prompts are asked of, models and tools, with their prices.

A target has one of three prices. ``usd_per_cpu_hour`` is for a model server on this machine and
for tools: the CPU time that a call took there, at a stated price. ``input_usd_per_mtok`` and
``output_usd_per_mtok`` are US dollars per million tokens. Without any, LiteLLM's price list holds.

``order`` says in which order the outcomes are collected. ``by_prompt`` asks all targets a prompt,
then the next prompt. ``by_target`` asks one target all prompts, then the next target: a server that
keeps the beginnings of earlier requests then has a target's examples at hand.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from toolkit.errors import DataError, did_you_mean
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


ExampleSet = dict[str, tuple[Example, ...]]
"""Examples per category."""


class Passages(_Strict):
    """Where texts that may help with a prompt are looked up; they are put before the prompt."""

    file: Text
    """JSON lines with ``passage_id`` and ``text``, beside the targets file."""
    count: Annotated[int, Field(gt=0)] = 1
    """So many of the most similar texts are shown at most."""
    min_similarity: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Cosine of the TF-IDF vectors of text and prompt; a text below it is not shown."""


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
    stop: Annotated[tuple[Text, ...], Field(max_length=4)] = ()
    """Texts at which the model is to end its answer; they are not part of it."""
    seed: int | None = None
    """Of the model's random numbers, where its server takes one."""
    votes: Annotated[int, Field(ge=2)] | None = None
    """So many calls are made, with ``seed``, ``seed`` + 1, …; the most frequent answer counts."""
    form: Literal["chat", "completion"] = "chat"
    """``completion`` is for a model without chat form: one text with ``Q:`` and ``A:``."""
    system: str | None = None
    examples: ExampleSet = Field(default_factory=dict)
    """Per category. In the file also the name of one of its ``examples``."""
    passages: Passages | None = None
    price: Price | None = None

    @model_validator(mode="after")
    def _votes_differ(self) -> ModelTarget:
        if self.votes and self.temperature == 0:
            raise ValueError("votes at temperature 0 are all the same; give a temperature above 0")
        return self

    def messages(
        self, category: str, prompt: str, shown: Callable[[str], str] = str
    ) -> list[Message]:
        """The chat that asks ``prompt``: system text, examples of its category, then itself.

        ``shown`` gives a prompt as the model gets to see it, with passages before it.
        """
        examples = [(shown(e.prompt), e.answer) for e in self.examples.get(category, ())]
        if self.form == "completion":
            lead = [self.system] if self.system else []
            pairs = [f"Q: {asked}\nA: {answer}" for asked, answer in examples]
            text = "\n\n".join([*lead, *pairs, f"Q: {shown(prompt)}\nA:"])
            return [{"role": "user", "content": text}]
        chat: list[Message] = []
        if self.system:
            chat.append({"role": "system", "content": self.system})
        for asked, answer in examples:
            chat.append({"role": "user", "content": asked})
            chat.append({"role": "assistant", "content": answer})
        return [*chat, {"role": "user", "content": shown(prompt)}]


class ToolTarget(_Strict):
    """A deterministic tool of our own; it runs in this process."""

    kind: Literal["tool"]
    tool: Literal["calculator", "unit_converter"]
    price: Price | None = None

    @model_validator(mode="after")
    def _no_tokens(self) -> ToolTarget:
        if self.price and self.price.usd_per_cpu_hour is None:
            raise ValueError("a tool has no tokens: its price is usd_per_cpu_hour")
        return self


Target = Annotated[ModelTarget | ToolTarget, Field(discriminator="kind")]


class Targets(_Strict):
    """A targets file: names to targets, and how they are asked."""

    targets: Annotated[dict[Text, Target], Field(min_length=1)]
    order: Literal["by_prompt", "by_target"] = "by_prompt"
    examples: dict[Text, ExampleSet] = Field(default_factory=dict)
    """Sets of examples that targets name, so that several can share one."""

    @model_validator(mode="before")
    @classmethod
    def _look_up_examples(cls, found: Any) -> Any:
        """Put the examples in the place of their set's name."""
        sets = found.get("examples") or {} if isinstance(found, dict) else None
        targets = found.get("targets") if isinstance(found, dict) else None
        if not isinstance(sets, dict) or not isinstance(targets, dict):
            return found
        full = dict(targets)
        for name, target in targets.items():
            wanted = target.get("examples") if isinstance(target, dict) else None
            if isinstance(wanted, str):
                if wanted not in sets:
                    allowed = did_you_mean(wanted, sets) if sets else "none"
                    raise ValueError(
                        f"targets.{name}.examples: no examples {wanted!r}; allowed: {allowed}"
                    )
                full[name] = {**target, "examples": sets[wanted]}
        return {**found, "targets": full}


def load_targets(path: str | Path) -> Targets:
    """Read a targets file. Raises DataError that names each wrong key, or a key that is not set."""
    path = Path(path)
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_Plain)  # noqa: S506
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the targets {path}: {error}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path.name} is not YAML that can be used: {error}") from None
    try:
        read = Targets.model_validate(found)
    except ValidationError as error:
        problems = [
            f"{path.name}: {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}"
            for e in error.errors()
        ]
        raise DataError("\n".join(problems)) from None
    for name, target in read.targets.items():
        key = target.api_key_env if isinstance(target, ModelTarget) else None
        if key and not os.environ.get(key):
            raise DataError(
                f"{path.name}: targets.{name}: the environment variable {key} is not set"
            )
    return read


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
