"""A retry storm: what is accepted while more and more is offered, retry budget on and off."""

from __future__ import annotations

import streamlit as st

from toolkit.errors import DetourError
from toolkit.evaluate.goodput import SCENARIO, Goodput, goodput
from toolkit.figures import goodput_figure
from toolkit.learn.routing import mark
from toolkit.scenarios.loading import load_scenario
from toolkit.scenarios.model import Scenario
from toolkit.ui.charts import heading, picture
from toolkit.ui.demand import Progress, on_demand
from toolkit.ui.resilience_view import Broken
from toolkit.ui.text import literal


def storm(broken: Broken) -> None:
    """Accepted against offered, worked out when it is asked for."""
    st.subheader("Can retries make it worse?", anchor=False)
    st.caption(
        "A model that slows down under load makes callers give up and ask again, which slows it "
        "further. Here the same traffic comes slower and faster, with a retry budget and without."
    )
    view = broken.view
    try:
        scenario = _scenario(broken)

        def work(progress: Progress | None) -> Goodput:
            return goodput(view.policy, view.dataset, scenario, seed=view.seed, progress=progress)

        found = on_demand(
            "goodput",
            (mark(view.policy), view.dataset.digest, scenario.digest, view.seed),
            "Play it at nine loads",
            "Playing it at nine loads, with a retry budget and without …",
            work,
        )
    except DetourError as error:
        st.warning(literal(error), icon=":material/error:")
        return
    if found is None:
        return
    st.markdown(f"**{literal(found.verdict)}**")
    with st.container(border=True, gap="xsmall"):
        heading("Accepted against offered", "goodput", found.to_pandas)
        picture(goodput_figure(found), "goodput")
        with st.expander("What this rests on", icon=":material/rule:"):
            st.markdown("\n".join(f"- {literal(line)}" for line in found.assumptions))


def _scenario(broken: Broken) -> Scenario:
    """The chosen one where it says what load does to a model, else the one that is for this."""
    if any(fault.overload or fault.rate_limit for fault in broken.scenario.faults):
        return broken.scenario
    return load_scenario(SCENARIO)
