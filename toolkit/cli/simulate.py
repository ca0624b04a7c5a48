"""The command that makes simulated traffic."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.app import JsonArg, app, show
from toolkit.cli.text import table, title

if TYPE_CHECKING:
    from toolkit.logs.simulate.report import Realised


@app.command("simulate")
def simulate_command(
    out: Annotated[
        Path | None, typer.Option(help="Folder to write into; that of the bundled `fleet` if none.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed; that of the bundled `fleet` if none.")
    ] = None,
    requests: Annotated[
        int | None, typer.Option(help="How many; as many as the bundled `fleet` has if none.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite other data that is there.")
    ] = False,
    as_json: JsonArg = False,
) -> None:
    """Make the simulated dataset `fleet`, the same bytes every time."""
    from toolkit.logs.simulate import NAME, bundled_folder, packed, simulate, write
    from toolkit.logs.simulate.parameters import N_REQUESTS, SEED
    from toolkit.logs.simulate.report import realised

    seed = SEED if seed is None else seed
    folder = bundled_folder() if out is None else out
    dataset = simulate(seed, N_REQUESTS if requests is None else requests)
    files = packed(dataset)
    written = write(files, folder, replace=replace)
    found = realised(dataset)
    result = {
        "dataset": NAME,
        "simulated": True,
        "folder": str(folder),
        "written": written,
        "seed": seed,
        "requests": dataset.n_requests,
        "outcomes": dataset.n_outcomes,
        "sha256": {name: sha256(content).hexdigest() for name, content in files.items()},
        "models": [asdict(model) for model in found],
    }
    head = title(
        f"{NAME} is in {folder}" if written else f"{NAME} was in {folder}, to the byte",
        simulated=True,
    )
    show(result, f"{head}\n\n{_against_parameters(found)}", as_json=as_json)


def _against_parameters(found: tuple[Realised, ...]) -> str:
    """What came out beside what is published."""
    from toolkit.logs.simulate.models import MODELS

    head = ("model", "accuracy", "published", "mean, s", "published", "p95, s", "published")
    rows = [
        (
            r.model,
            *(f"{r.accuracy:.3f}", f"{m.accuracy:.3f}"),
            *(f"{r.latency_mean_s:.2f}", f"{m.latency_mean_s:.2f}"),
            *(f"{r.latency_p95_s:.2f}", f"{m.latency_p95_s:.2f}"),
            f"{100 * r.error_rate:.2f} %",
        )
        for r, m in zip(found, MODELS, strict=True)
    ]
    return table((*head, "failed"), rows)
