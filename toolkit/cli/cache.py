"""The command that tries caches of different thresholds on a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.app import DatasetArg, JsonArg, SeedArg, app, show
from toolkit.cli.text import blocks, notes, table, title

if TYPE_CHECKING:
    from toolkit.evaluate.cache_roc import CacheRoc


@app.command("cache-roc")
def cache_roc_command(
    dataset: DatasetArg,
    model: Annotated[
        str | None, typer.Option(help="Model behind the cache; the best one alone if none.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Share of hits that may be wrong, such as 0.01.")
    ] = 0.01,
    seed: SeedArg = 0,
    as_json: JsonArg = False,
) -> None:
    """Say how similar prompts must be to share an answer: savings against wrong answers."""
    from toolkit.evaluate.cache_roc import cache_roc
    from toolkit.logs.datasets import load_dataset

    result = cache_roc(load_dataset(dataset), tolerance=tolerance, model=model, seed=seed)
    show(result.to_dict(), _text(result), as_json=as_json)


def _text(result: CacheRoc) -> str:
    from toolkit.evaluate.cache_roc import HEAD
    from toolkit.evaluate.format import count

    return blocks(
        title(
            f"{result.model} behind a cache, {count(result.requests)} requests of {result.dataset},"
            f" {count(result.distinct)} different ones",
            simulated=result.simulated,
        ),
        notes([result.verdict]),
        table(HEAD, result.rows),
        notes(result.caveats),
    )
