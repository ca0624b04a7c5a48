"""What the Trade-offs page says of a log that holds one model's outcome for each request."""

from __future__ import annotations

from shlex import quote

import streamlit as st

from toolkit.ui.text import bold
from toolkit.ui.view import View


def logged(view: View) -> None:
    """Where each request has one outcome only, say what cannot be shown, what can, and stop."""
    if view.dataset.kind != "logged":
        return
    name = view.dataset.name
    st.markdown(f"#### {bold(name)} cannot be swept: each request was seen under one model only.")
    st.markdown(
        "What another model would have answered is not in this log. A replay would leave those "
        "requests out, and the policies of a sweep would be held against each other on different "
        "requests: a picture of them would look like an answer and be none."
    )
    st.info(
        "What such a log can tell is an *estimate*: it weighs the requests by how likely the "
        "policy would have chosen the model that served them, says how sure it is, and refuses "
        "where the log never tried what the policy would do. Compare a few policies that way.",
        title="Estimate a policy instead",
        icon=":material/balance:",
    )
    st.code(
        f"python -m toolkit estimate --policy {quote(view.policy.policy)} --dataset {quote(name)}",
        language="shell",
        wrap_lines=True,
    )
    st.stop()
