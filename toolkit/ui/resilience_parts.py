"""The parts of the Resilience page, from the verdict to what its numbers rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import streamlit as st

from toolkit.errors import DetourError, PolicyError
from toolkit.evaluate.format import percent
from toolkit.evaluate.protection import ALL, with_recommended
from toolkit.figures import pulse_figure, timeline_figure
from toolkit.policy.model import Policy
from toolkit.ui import desk, loaders
from toolkit.ui.charts import chart, heading, picture
from toolkit.ui.resilience_scene import Scene
from toolkit.ui.resilience_view import Broken
from toolkit.ui.starter import NAME as STARTER
from toolkit.ui.starter import starter
from toolkit.ui.states import problem_line
from toolkit.ui.text import bold, literal
from toolkit.ui.view import View

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.evaluate.incident import IncidentRow

_SHARES = "Shares of requests"


def broken(view: View, scene: Scene | None) -> Broken:
    """The incident, played; stops the page with the reason where it cannot be."""
    if scene is None:
        _stop()
    found = Broken(view, scene.scenario, scene.against)
    try:
        found.incident  # noqa: B018 - the error is wanted here
    except DetourError as error:
        problems = error.problems if isinstance(error, PolicyError) else (error,)
        st.error(
            "\n".join(f"- {problem_line(problem)}" for problem in problems),
            title="This scenario does not fit this policy and log",
            icon=":material/error:",
        )
        st.caption("Choose another scenario, policy or dataset, or change the scenario.")
        _stop()
    return found


def _stop() -> NoReturn:
    st.stop()
    raise AssertionError  # the line above does not return


def verdict(broken: Broken) -> None:
    """What the protections were worth, in words: how much failed."""
    first, _ = _sentences(broken)
    st.markdown(f"#### {bold(broken.view.name)}: {literal(first)}")


def price(broken: Broken) -> None:
    """The rest of the verdict: quality, latency and cost."""
    _, rest = _sentences(broken)
    if rest:
        st.markdown(literal(rest))


def _sentences(broken: Broken) -> tuple[str, str]:
    first, dot, rest = broken.incident.verdict.partition(". ")
    return first + dot.strip(), rest


def _titles(broken: Broken) -> tuple[str, str]:
    """Of the two panels: which rung, and how requests ended meanwhile."""
    full, less = (_title(row) for row in broken.rows)
    return full, less


def _title(row: IncidentRow) -> str:
    during = row.during
    if not during.error_rate.n:
        return row.name
    degraded = during.degraded_rate.value
    also = f", {percent(degraded)} degraded" if degraded else ""
    return f"{row.name}: {percent(during.error_rate.value)} failed{also} during the faults"


def timeline(broken: Broken) -> None:
    """The picture of the incident, in shares or in numbers of requests."""
    with st.container(border=True, gap="xsmall"):
        heading("How requests ended over time", "timeline", lambda: _table(broken))
        shown = st.session_state.get("timeline-as") or _SHARES
        figure = timeline_figure(*broken.timelines, _titles(broken), shares=shown == _SHARES)
        picture(figure, "timeline")
        st.segmented_control(
            "Show",
            [_SHARES, "Numbers of requests"],
            default=_SHARES,
            key="timeline-as",
            required=True,
            label_visibility="collapsed",
        )


def pulse(broken: Broken) -> None:
    """Failures, latency and cost over time."""
    chart(
        "Failures, latency and cost over time",
        pulse_figure(*broken.timelines, (ALL, broken.against)),
        "pulse",
        lambda: _table(broken),
    )


def _table(broken: Broken) -> pd.DataFrame:
    """Both timelines, one row per moment."""
    import pandas as pd

    return pd.concat(
        [
            one.to_pandas().assign(protection=row.name)
            for one, row in zip(broken.timelines, broken.rows, strict=True)
        ],
        ignore_index=True,
    )


def offer(broken: Broken) -> None:
    """The usual protections, where the policy has none of its own."""
    if broken.recommended is None:
        return
    policy = broken.view.policy
    bare = [name for name, model in policy.models.items() if model.breaker is None]
    lacks = []
    if bare:
        all_of_them = len(bare) == len(policy.models)
        whose = "no model" if all_of_them else f"{len(bare)} of {len(policy.models)} models"
        lacks.append(f"{whose} has a breaker" if all_of_them else f"{whose} have no breaker")
    if policy.retry_budget is None:
        lacks.append("nothing limits retries")
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/shield: **This policy can be better protected**: {' and '.join(lacks)}. "
            "A breaker stops asking a model that keeps failing; a retry budget keeps retries "
            "from becoming a flood.",
            width="stretch",
        )
        st.button(
            "Add recommended protection",
            key="recommend",
            icon=":material/add_moderator:",
            on_click=_recommend,
            args=(broken.view,),
            help="A default breaker for each model and a default retry budget, as a draft that "
            "you can save or discard",
        )


def _recommend(view: View) -> None:
    name = st.session_state["policy"]
    saved = starter(view.baselines) if name == STARTER else loaders.policies()[name]
    assert isinstance(saved, Policy)
    desk.forget_typing()
    desk.put(name, desk.draft(name, saved).to(with_recommended(view.policy)))


def assumptions(broken: Broken) -> None:
    """What the numbers rest on, folded."""
    with st.expander("What these numbers rest on", icon=":material/rule:"):
        st.markdown("\n".join(f"- {literal(line)}" for line in broken.incident.assumptions))
