"""What an import would do: counts that add up, the first rows, the rejected ones, the gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from toolkit.evaluate.format import count
from toolkit.ui.data_words import plural
from toolkit.ui.text import csv, literal

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.logs.importers import ImportReport, Preview

_KINDS = {
    "complete": "every model on every request",
    "logged": "one model per request",
    "partial": "some models on some requests",
}
_CHARS = 200


def rows_word(found: Preview) -> str:
    """``9,900 rows``."""
    return plural(found.n_stored, "row")


def title(text: str) -> str:
    """The name of a format at the beginning of a line."""
    return f"{text[:1].upper()}{text[1:]}"


def counts(found: Preview) -> None:
    """The format, and where every row goes."""
    st.markdown(
        f"**{literal(title(found.title))}**: {literal(sum_of_rows(found))} That makes"
        f" {plural(found.n_requests, 'request')}, {plural(found.n_models, 'model')} and"
        f" {plural(found.n_outcomes, 'outcome')}: {_KINDS[found.kind]}."
    )


def sum_of_rows(done: Preview | ImportReport) -> str:
    """``10,000 rows = 9,900 stored + 100 rejected + 0 left out.``"""  # noqa: D415
    return (
        f"{plural(done.n_rows, 'row')} = {count(done.n_stored)} stored + {count(done.n_rejected)}"
        f" rejected + {count(done.n_left_out)} left out."
    )


def tables(found: Preview) -> None:
    """Rows, columns, rejects, and what is worth knowing, a tab each."""
    names = ["First rows", "Columns"]
    if found.n_rejected:
        names.append(f"Rejected ({count(found.n_rejected)})")
    if found.notes or found.gaps:
        names.append("Worth knowing")
    tabs = dict(zip(names, st.tabs(names), strict=True))
    with tabs["First rows"]:
        st.dataframe(
            short(found.rows.to_pandas()),
            hide_index=True,
            height=230,
            placeholder="–",
            key="import-rows",
        )
    with tabs["Columns"]:
        _columns(found)
    if found.n_rejected:
        with tabs[names[2]]:
            rejected(found)
    if found.notes or found.gaps:
        with tabs["Worth knowing"]:
            st.markdown("\n".join(f"- {literal(line)}" for line in (*found.gaps, *found.notes)))


def _columns(found: Preview) -> None:
    import pandas as pd

    frame = pd.DataFrame(found.mapping, columns=["ours", "read from"])
    st.dataframe(frame, hide_index=True, height=230, key="import-columns")
    used = {word.strip() for _, words in found.mapping for word in words.split(",")}
    unused = [name for name in found.columns if name not in used]
    if unused:
        st.caption("Columns of the file that are not named above:")
        st.text(", ".join(unused)[:1_000])


def rejected(found: Preview) -> None:
    """The first rejected rows, with line and reason."""
    import pandas as pd

    frame = pd.DataFrame(
        [(r.file, r.line, r.reason, r.row) for r in found.rejects],
        columns=["file", "line", "reason", "row"],
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        more = f" The first {count(len(frame))} are here." if len(frame) < found.n_rejected else ""
        st.caption(
            f"They will not be stored; the import keeps all of them in a file.{more}",
            width="stretch",
        )
        st.download_button(
            "CSV",
            lambda: csv(frame),
            file_name="rejects.csv",
            mime="text/csv",
            key="import-rejects",
            type="tertiary",
            icon=":material/download:",
            on_click="ignore",
        )
    st.dataframe(short(frame), hide_index=True, height=230, key="import-rejected")


def short(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with texts cut, so that a preview stays light."""
    return frame.map(lambda value: value[:_CHARS] if isinstance(value, str) else value)


def report(done: ImportReport) -> None:
    """What the last import did, above its dataset."""
    if done.already_there:
        st.info("This log was here already under this name; nothing changed.")
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":green[:material/check:] **Imported.** {literal(sum_of_rows(done))}", width="stretch"
        )
        if done.rejects_path is not None and done.rejects_path.is_file():
            st.download_button(
                "Rejected rows",
                done.rejects_path.read_bytes,
                file_name=f"{done.name}-rejects.csv",
                mime="text/csv",
                key="report-rejects",
                icon=":material/download:",
                on_click="ignore",
            )
    if done.notes:
        with st.expander("What was changed on the way", icon=":material/info:"):
            st.markdown("\n".join(f"- {literal(line)}" for line in done.notes))
