"""Bringing a log: upload, what was found, what it becomes, and the import itself.

Everything in a file is somebody else's text: it is shown in tables and as plain text only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from toolkit.errors import DataError
from toolkit.logs.importers import FORMATS, check_name, import_file, preview
from toolkit.ui import import_preview as shown
from toolkit.ui import loaders, states, uploads
from toolkit.ui.import_files import files, more
from toolkit.ui.import_mapping import GENERAL, mapping_form
from toolkit.ui.text import literal

if TYPE_CHECKING:
    from toolkit.logs.importers import ImportReport, Preview

REPORT = "import-report"
"""Session key: the report of the last import, until another dataset is chosen."""
_OPEN, _GO = "import-open", "import-pressed"


@dataclass(frozen=True)
class _Request:
    """What to import and how."""

    path: Path
    options: dict[str, Any] = field(default_factory=dict)
    redact: bool = False

    def preview(self) -> Preview | DataError:
        """What an import would do, or why none can be; read again only when something changed."""
        mark = (str(self.path), str(sorted(self.options.items(), key=lambda one: one[0])))
        kept = st.session_state.get("import-preview")
        if kept is None or kept[0] != mark:
            with st.spinner("Reading the log …", show_time=True):
                kept = (mark, _try(lambda: preview(self.path, **self.options)))
            st.session_state["import-preview"] = kept
        found: Preview | DataError = kept[1]
        return found


def _try(work: Any) -> Any:
    try:
        return work()
    except DataError as error:
        return error
    except OSError as error:
        return DataError(f"the file cannot be read: {error.strerror or error}")


def open_dialog() -> None:
    """Let the wizard be above the page until it is closed."""
    st.session_state[_OPEN] = True


def _close() -> None:
    st.session_state[_OPEN] = False


def import_dialog() -> None:
    """The wizard above the page, where it is open."""
    if st.session_state.get(_OPEN):
        _dialog()


# A click beside it must not lose an upload.
@st.dialog("Import a log", width="large", icon=":material/upload:", dismissible=False)
def _dialog() -> None:
    if not st.session_state[_OPEN]:
        st.rerun()  # of the page, without the dialog
    wizard()
    st.button("Close without importing", type="tertiary", key="import-close", on_click=_close)


def wizard() -> None:
    """Draw as many steps as there is something to say about."""
    path = files()
    if path is None:
        return
    with st.expander("More files and options", icon=":material/tune:"):
        options, redact = more()
    options["format"] = st.session_state.get("import-format")
    place = st.container()
    request = _Request(path, options, redact)
    found = _with_mapping(request)
    with place:
        _format(found)
    if isinstance(found, DataError):
        st.error(_lines(found), title="This cannot be imported yet", icon=":material/error:")
        return
    shown.counts(found)
    shown.tables(found)
    _import(request, found)


def _format(found: Preview | DataError) -> None:
    """The format: found by the columns, or chosen."""
    titles = {one.name: shown.title(one.title) for one in FORMATS}
    # The words for an option must stay: the browser names its choice by them.
    st.selectbox(
        "Format",
        [None, *titles],
        key="import-format",
        format_func=lambda name: titles.get(name, "Find out by its columns"),
        width=360,
    )
    if isinstance(found, DataError) or st.session_state.get("import-format") is not None:
        return
    others = ", ".join(titles[name] for name in found.alternatives)
    also = f" It could also be: {others}." if others else ""
    st.caption(f"Found: {titles[found.format]}.{also}")


def _lines(error: DataError) -> str:
    return "\n".join(f"- {literal(line)}" for line in str(error).splitlines()[:12])


def _with_mapping(request: _Request) -> Preview | DataError:
    """The preview, with what the user says of the columns where the format leaves that open."""
    chosen = request.options["format"]
    plain = request.preview()
    if not isinstance(plain, DataError) and plain.format not in GENERAL:
        return plain
    if isinstance(plain, DataError) and chosen not in {None, *GENERAL}:
        return plain
    names = (
        uploads.column_names(request.path, request.options["encoding"])
        if isinstance(plain, DataError)
        else plain.columns
    )
    if not names:
        return plain
    mapping = mapping_form(names, plain)
    if not mapping:
        return plain
    return _Request(request.path, {**request.options, "mapping": mapping}).preview()


def _import(request: _Request, found: Preview) -> None:
    taken = {info.name for info in loaders.infos()}
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        name = st.text_input(
            "Name of the dataset",
            value=suggested(request.path),
            key=f"import-name-{request.path}",
            max_chars=64,
        ).strip()
    problem = _try(lambda: check_name(name))
    replace = False
    if problem is None and name in taken:
        replace = st.checkbox(f"Replace the dataset {literal(name)}", key="import-replace")
    if problem is not None:
        st.error(_lines(problem), icon=":material/error:")
    with right:
        st.button(
            f"Import {shown.rows_word(found)}",
            type="primary",
            key="import-go",
            on_click=_go,
            disabled=problem is not None or (name in taken and not replace),
            width="stretch",
        )
    if st.session_state.pop(_GO, False):
        mapping = st.session_state.get("import-mapping") or None
        with st.status("Importing …", expanded=False) as status:
            done = _try(
                lambda: import_file(
                    request.path,
                    name,
                    replace=replace,
                    redact=request.redact,
                    **{"mapping": mapping, **request.options},
                )
            )
            if isinstance(done, DataError):
                status.update(label="Not imported", state="error")
        if isinstance(done, DataError):
            st.error(_lines(done), title="Not imported", icon=":material/error:")
            return
        _finish(done)


def _go() -> None:
    st.session_state[_GO] = True


def _finish(done: ImportReport) -> None:
    """Choose the new dataset and close."""
    for part in ("log", "prompts", "scores", "drop_prompts"):
        uploads.forget(part)
    st.session_state.pop("import-preview", None)
    _close()
    st.session_state[REPORT] = done
    st.session_state[states.IMPORTED] = done.name
    loaders.infos.clear()
    st.rerun()


def suggested(path: Path) -> str:
    """A name for a dataset, from the name of its file or folder."""
    stem = path.name
    for _ in range(2):
        stem = re.sub(r"\.(csv|jsonl?|ndjson|parquet|pq|gz)$", "", stem, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")[:64] or "my-log"
