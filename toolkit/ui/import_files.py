"""The first step of an import: the log itself, and what belongs to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from toolkit.errors import DataError
from toolkit.ui import uploads
from toolkit.ui.text import literal

_ENCODINGS = ("utf-16", "latin-1", "cp1252")


def files() -> Path | None:
    """The log: uploaded, or where it lies on this machine; None until there is one."""
    st.caption(
        "CSV, JSON or JSON lines (each also .gz), or Parquet: of a gateway, a tracing tool, a"
        " benchmark, or a table of your own. Several files of one kind are read as one log."
    )
    sent = st.file_uploader("Log", accept_multiple_files=True, key="import-files")
    path = uploads.kept(sent, "log")
    if path is None and uploads.paths_allowed():
        text = st.text_input(
            "Or a file or folder on this machine",
            key="import-path",
            placeholder="/home/me/logs/spend.jsonl",
            help="Offered as the app runs on your machine. Large logs need no upload this way.",
        )
        if text.strip():
            try:
                path = uploads.local(text.strip())
            except DataError as error:
                st.error(literal(error), icon=":material/error:")
    return path


def more() -> tuple[dict[str, Any], bool]:
    """Options of the importers, and whether to mask personal data."""
    left, right = st.columns(2)
    found: dict[str, Any] = {}
    with left:
        for key, label, help_ in (
            ("prompts", "Prompts", "More columns of the requests, found by request_id."),
            ("scores", "Scores", "A file of grades, where the format keeps them apart."),
            ("drop_prompts", "Prompts to leave out", "Those that stand in this list."),
        ):
            one = st.file_uploader(label, key=f"import-{key}", help=help_)
            found[key] = uploads.kept([one] if one else [], key)
    with right:
        redact = st.checkbox(
            "Mask personal data",
            key="import-redact",
            help="E-mail addresses, phone and card numbers, IBANs and keys, before anything is"
            " stored. The preview shows the log as it is.",
        )
        found["estimate_costs"] = st.checkbox(
            "Estimate missing costs from list prices",
            value=True,
            key="import-estimate",
            help="They are marked as estimated.",
        )
        encoding = st.selectbox(
            "Encoding", ["UTF-8, or as the file says", *_ENCODINGS], key="import-encoding"
        )
        found["encoding"] = encoding if encoding in _ENCODINGS else None
    return found, redact
