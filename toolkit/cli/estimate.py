"""The command ``estimate``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.app import DatasetArg, JsonArg, PolicyArg, SeedArg, app, show
from toolkit.cli.progress import progress_bar
from toolkit.cli.text import WIDTH, blocks, clean, notes, table, title
from toolkit.errors import DetourError

if TYPE_CHECKING:
    from toolkit.evaluate.offpolicy.difference import OffPolicyDifference
    from toolkit.evaluate.offpolicy.result import OffPolicy


@app.command("estimate")
def estimate_command(
    policy: PolicyArg,
    dataset: DatasetArg,
    logged_by: Annotated[
        str | None, typer.Option(help="The policy that served the log: a file or a name.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="A policy to take the difference from: a file or a name.")
    ] = None,
    where_supported: Annotated[
        bool, typer.Option("--where-supported", help="Leave out what the log cannot speak for.")
    ] = False,
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Take the outcome models' word, no interval.")
    ] = False,
    seed: SeedArg = 0,
    as_json: JsonArg = False,
) -> None:
    """Estimate what a policy would have done from a log with one outcome per request."""
    from toolkit.evaluate.offpolicy.difference import estimate_difference
    from toolkit.evaluate.offpolicy.estimate import estimate
    from toolkit.logs.datasets import load_dataset
    from toolkit.policy import load_policy

    if against is not None and extrapolate:
        raise DetourError(
            "estimate: an extrapolated difference has no interval, so it could not tell anything;"
            " allowed: --against or --extrapolate"
        )
    one, data = load_policy(policy), load_dataset(dataset)
    serving = None if logged_by is None else load_policy(logged_by)
    other = None if against is None else load_policy(against)
    with progress_bar("policies") as progress:
        found = estimate(
            one,
            data,
            logged_by=serving,
            where_supported=where_supported,
            extrapolate=extrapolate,
            seed=seed,
            progress=progress,
        )
    made, text = found.to_dict(), estimate_text(found)
    if other is not None:
        gap = estimate_difference(
            one, other, data, logged_by=serving, where_supported=where_supported, seed=seed
        )
        made["against"], text = gap.to_dict(), blocks(text, difference_text(gap))
    show(made, text, as_json=as_json)


def estimate_text(found: OffPolicy) -> str:
    """The answer, every estimator beside the log and the single models, the overlap, the notes."""
    from toolkit.evaluate.format import count, counted, number, percent
    from toolkit.evaluate.goals import WORDS
    from toolkit.evaluate.offpolicy.episodes import METRICS

    goals = table(
        ("goal", "limit", "met"),
        [(g.label, g.limit, g.answer) for g in found.goals],
        words=range(3),
    )
    shares = table(
        ("slice", "requests", "asked most", "by the policy", "in the log", "lacking"),
        [
            (
                one.slice,
                count(one.requests),
                (most := max(one.target, key=lambda m: one.target[m], default="–")),
                percent(one.target.get(most, 0.0)),
                percent(one.logged.get(most, 0.0)),
                percent(one.lacking_share) if one.lacking else "–",
            )
            for one in found.overlap
        ],
        words=(0, 2),
    )
    w = found.weights
    weighed = (
        f"Effective sample size {count(round(found.effective_sample_size))} of {count(found.n)};"
        f" mean weight {number(w.mean.value)} ({number(w.expected)} is due), largest"
        f" {number(w.max)}; {percent(found.matched_share)} of the requests went where the policy"
        " sends them."
    )
    return blocks(
        title(
            f"{found.policy} from {found.dataset},"
            f" {count(found.n)} of {counted(found.requests, 'request')}",
            simulated=found.simulated,
        ),
        textwrap.fill(clean(found.verdict), WIDTH),
        table(("", *(f"{WORDS[m][0]} [95 %]" for m in METRICS)), found.rows),
        goals if found.goals else "",
        "" if found.extrapolated else textwrap.fill(weighed, WIDTH),
        shares,
        notes(found.assumptions),
    )


def difference_text(found: OffPolicyDifference) -> str:
    """The difference between two policies, in words first."""
    from toolkit.evaluate.format import count, counted
    from toolkit.evaluate.offpolicy.difference_words import HEAD

    of = f"{count(found.n)} of {counted(found.requests, 'request')}"
    return blocks(
        title(f"{found.policy} against {found.against}, {of}", simulated=found.simulated),
        textwrap.fill(clean(found.verdict), WIDTH),
        table(HEAD, found.rows, words=(0, 4)),
        notes(found.notes),
    )
