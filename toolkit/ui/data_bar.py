"""What can be done with a dataset as a whole: bring another log, take this one along."""

from __future__ import annotations

import io
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import streamlit as st

from toolkit.evaluate.format import count
from toolkit.logs.exporters import export
from toolkit.ui import loaders
from toolkit.ui.data_view import DataView
from toolkit.ui.import_preview import report
from toolkit.ui.import_wizard import REPORT, import_dialog, open_dialog
from toolkit.ui.text import file_name

MOST_OUTCOMES = 2_000_000
"""Above this a download is left to the command line, which needs no copy in memory."""
_FORMATS = {"parquet": "Parquet", "csv": "CSV", "jsonl": "JSON lines"}


def news(view: DataView) -> None:
    """What the import did that has just brought this dataset."""
    done = st.session_state.get(REPORT)
    if done is not None and done.name == view.info.name:
        report(done)


def bar(view: DataView) -> None:
    """The two buttons."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Import a log", icon=":material/upload:", key="open-import", on_click=open_dialog)
        with st.popover("Download", icon=":material/download:"):
            _downloads(view)
    import_dialog()


def _downloads(view: DataView) -> None:
    info = view.info
    if info.n_outcomes > MOST_OUTCOMES:
        st.markdown(
            f"{count(info.n_outcomes)} outcomes are too many for a browser. From a shell, in the"
            " folder of the app:"
        )
        st.code(f"python -m toolkit export {info.name} FOLDER", language=None, wrap_lines=True)
        return
    st.caption("Requests and outcomes in one zip, which reads back exactly.")
    for kind, title in _FORMATS.items():
        st.download_button(
            title,
            partial(zipped, view, kind),
            file_name=f"{file_name(info.name, kind)}.zip",
            mime="application/zip",
            key=f"zip-{kind}",
            on_click="ignore",
            width="stretch",
        )


def zipped(view: DataView, kind: str) -> bytes:
    """The dataset in files of one format, as a zip."""
    data = loaders.dataset(view.info.name, view.info.digest)
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="detour-") as folder:
        export(data, folder, kind)
        # Parquet is compressed already.
        method = zipfile.ZIP_STORED if kind == "parquet" else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(packed, "w", method) as archive:
            for path in sorted(Path(folder).iterdir()):
                archive.write(path, f"{file_name(view.info.name)}/{path.name}")
    return packed.getvalue()
