"""What the Trade-offs page says of a log that holds one model's outcome for each request."""

from __future__ import annotations

from shlex import quote

import streamlit as st

from toolkit.errors import DetourError
from toolkit.evaluate.offpolicy.estimate import estimate
from toolkit.evaluate.offpolicy.result import OffPolicy
from toolkit.figures import estimates_figure, overlap_figure
from toolkit.learn.routing import mark
from toolkit.ui.charts import chart
from toolkit.ui.demand import Progress, on_demand
from toolkit.ui.text import bold, literal
from toolkit.ui.view import View


def logged(view: View) -> None:
    """Where each request has one outcome only, say what cannot be shown, show what can, stop."""
    if view.dataset.kind != "logged":
        return
    st.markdown(
        f"#### {bold(view.dataset.name)} cannot be swept: each request was seen under one model "
        "only."
    )
    st.markdown(
        "What another model would have answered is not in this log. A replay would leave those "
        "requests out, and the policies of a sweep would be held against each other on different "
        "requests: a picture of them would look like an answer and be none."
    )
    st.subheader("What can be told: an estimate of one policy", anchor=False)
    st.markdown(
        "It weighs each request by how likely the policy would have chosen the model that served "
        "it, says how sure it is, and refuses where the log never tried what the policy would do."
    )
    _estimated(view)
    st.caption("From a shell, with more to set:")
    policy, dataset = quote(view.policy.policy), quote(view.dataset.name)
    command = f"python -m toolkit estimate --policy {policy} --dataset {dataset}"
    st.code(command, language="shell", wrap_lines=True)
    st.stop()


def _estimated(view: View) -> None:
    partly = st.toggle(
        "Only where the log can speak for the policy",
        key="estimate-partly",
        help="Requests of the kinds for which the log never asked whom the policy asks are left "
        "out; the answer says how many.",
    )

    def work(progress: Progress | None) -> OffPolicy:
        return estimate(
            view.policy, view.dataset, where_supported=partly, seed=view.seed, progress=progress
        )

    try:
        found = on_demand(
            "estimate",
            (mark(view.policy), view.dataset.digest, view.seed, partly),
            "Estimate this policy",
            "Weighing the requests …",
            work,
        )
    except DetourError as error:
        st.warning(
            literal(error), title="The log cannot speak for this policy", icon=":material/balance:"
        )
        return
    if found is None:
        return
    first, dot, rest = found.verdict.partition(". ")
    st.markdown(f"**{literal(first + dot.strip())}** {literal(rest)}")
    chart(
        "What it would have done, by each estimator",
        estimates_figure(found),
        "estimates",
        lambda: found.to_pandas().reset_index(),
    )
    chart("Whom the policy asks, and whom the log asked", overlap_figure(found.overlap), "overlap")
    with st.expander("What this rests on", icon=":material/rule:"):
        st.markdown("\n".join(f"- {literal(line)}" for line in found.assumptions))
