"""What was given to a function, told where it is of the wrong kind."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.engine.replay import Replay
from toolkit.errors import DataError, PolicyError, Problem
from toolkit.logs.dataset import Dataset
from toolkit.policy.model import Policy
from toolkit.scenarios.model import Scenario


def refuse_others(
    who: str, policies: Iterable[object], dataset: object = None, scenario: object = None
) -> None:
    """Say how to get a policy, a dataset or a scenario where a name or the like was given.

    Raises:
        PolicyError: Not a policy and not a replay.
        DataError: Not a dataset, or not a scenario; None is neither a mistake.
    """
    for one in policies:
        if not isinstance(one, Policy | Replay):
            what = f"{who} needs a policy or a replay"
            allowed = "what load_policy, Policy.single or replay give"
            raise PolicyError([Problem(what, got=f"{one!r:.60}", allowed=allowed)])
    for given, kind, noun in ((dataset, Dataset, "dataset"), (scenario, Scenario, "scenario")):
        if given is not None and not isinstance(given, kind):
            raise DataError(
                f"{who} needs a {noun}; got {given!r:.60}; allowed: what load_{noun} gives"
            )


def refuse_no_share(what: str, share: object) -> None:
    """Raise DataError for what is no share of the requests, NaN among it."""
    if not (isinstance(share, float | int) and 0 <= share <= 1):
        raise DataError(
            f"{what}: must be a share of the requests; got {share!r:.60}; allowed: 0 to 1"
        )
