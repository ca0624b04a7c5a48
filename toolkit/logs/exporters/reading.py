"""Reading a folder of ``requests`` and ``outcomes``, in any format that is exported.

What is read is checked as an imported file is, since files can be edited. Of a folder of our own
the requests and models stay exactly as they were exported; of any other, they are what the checks
make of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.errors import DataError
from toolkit.logs.checks import (
    missing_columns,
    refuse,
    repeated_outcomes,
    wrong_outcomes,
    wrong_requests,
)
from toolkit.logs.dataset import Dataset, dataset_from_tables
from toolkit.logs.errornames import error_type
from toolkit.logs.exporters.about import ABOUT, MODELS, PARTS, has_columns, read_about
from toolkit.logs.exporters.text import read_text
from toolkit.logs.files import File, digest_of, explained, is_simulated, open_file
from toolkit.logs.propensity import PROPENSITY
from toolkit.logs.raw import load_requests, register_frame
from toolkit.logs.readers import read_tables
from toolkit.logs.tables import Tables
from toolkit.schema import CATEGORY, MODEL, OUTCOME_COLUMNS, REQUEST_ID


def read_folder(folder: str | Path, name: str = "") -> Dataset:
    """Load the dataset of a folder, by default named as the folder; DataError when it is wrong."""
    folder = Path(folder)
    about = read_about(folder)
    if about is None:
        _refuse_bare(folder)
    kind = "parquet" if about is None else about.format
    requests, outcomes = (open_file(folder / f"{part}.{kind}") for part in PARTS)
    if about is None:
        with _whole(outcomes):
            simulated, models = is_simulated(outcomes), _models(outcomes, requests)
            tables = (
                read_tables(outcomes, requests)
                if models is None
                else _exact(outcomes, requests, models, _parquet(outcomes), _parquet(requests))
            )
    else:
        simulated = about.simulated
        read = [
            read_text(file, about.layouts[part])
            for part, file in zip(PARTS, (requests, outcomes), strict=True)
        ]
        tables = _exact(outcomes, requests, about.models, read[1], read[0])
    return dataset_from_tables(
        name or folder.name,
        tables,
        simulated=simulated,
        digest=digest_of(outcomes.path, requests.path),
    )


def _refuse_bare(folder: Path) -> None:
    """Say what is missing where CSV or JSON lines stand without their description."""
    for kind in ("csv", "jsonl"):
        if (folder / f"outcomes.{kind}").exists() and not (folder / "outcomes.parquet").exists():
            raise DataError(
                f"{folder}: no {ABOUT}, which gives outcomes.{kind} its types; export the dataset"
                f" again, or import outcomes.{kind}"
            )


def _models(outcomes: File, requests: File) -> tuple[str, ...] | None:
    """The models that Parquet files of our own were exported with."""
    with _whole(requests):
        given = pq.ParquetFile(requests.path).schema_arrow
    rows = pq.ParquetFile(outcomes.path).schema_arrow
    marks = rows.metadata or {}
    if MODELS not in marks or not has_columns(given, rows):
        return None
    try:
        return tuple(str(model) for model in json.loads(marks[MODELS]))
    except ValueError as error:
        raise DataError(f"{outcomes.path.name}: the file is damaged; got: {error}") from error


def _parquet(file: File) -> pa.Table:
    with _whole(file):
        table = pq.ParquetFile(file.path, page_checksum_verification=True).read()
        table.validate(full=True)
        return table.replace_schema_metadata(None)


@contextmanager
def _whole(file: File) -> Iterator[None]:
    """Turn what Arrow says of a damaged Parquet file, at times an OSError, into one sentence."""
    try:
        with explained(file):
            yield
    except OSError as error:
        raise DataError(f"{file.path.name}: the file is damaged; got: {error}") from error


def _exact(
    outcomes: File, requests: File, models: tuple[str, ...], rows: pa.Table, given: pa.Table
) -> Tables:
    """Check ``rows`` (k outcomes) and ``given`` (n requests) and index them as they are."""
    refuse(missing_columns(rows.column_names, outcomes.rows))
    with duckdb.connect() as con:
        register_frame(con, rows, outcomes.rows)
        load_requests(con, given, requests.rows)
        problems = wrong_outcomes(con, outcomes.rows)
        refuse(problems + wrong_requests(con, requests.rows, outcomes.rows))
        tables = _indexed(rows, given, models)
        pairs = [np.diff(tables.outcomes[name].to_numpy()) for name in ("request_ix", "model_ix")]
        if np.any((pairs[0] == 0) & (pairs[1] == 0)):
            refuse(repeated_outcomes(con, outcomes.rows))
    return tables


def _indexed(rows: pa.Table, given: pa.Table, models: tuple[str, ...]) -> Tables:
    models = tuple(sorted({*models, *pc.unique(rows[MODEL]).to_pylist()}))

    def place(column: str, of: pa.Array) -> pa.Array:
        texts = rows[column].combine_chunks().cast(pa.string())
        return pc.index_in(texts, value_set=of).cast(pa.int32())

    ids = given[REQUEST_ID].combine_chunks().cast(pa.string())
    errors = rows["error"].combine_chunks().cast(pa.string()).dictionary_encode()
    codes = pa.array([error_type(name) for name in errors.dictionary.to_pylist()], pa.int8())
    columns = {
        "request_ix": place(REQUEST_ID, ids),
        "model_ix": place(MODEL, pa.array(models, pa.string())),
        **{name: rows[name] for name in OUTCOME_COLUMNS if name != "error"},
        "error": pc.fill_null(codes.take(errors.indices), 0),
    }
    known = {*columns, REQUEST_ID, MODEL, CATEGORY, PROPENSITY}
    columns |= {name: rows[name] for name in rows.column_names if name not in known}
    table = pa.table(columns)
    graded_failure = pc.and_(pc.not_equal(table["error"], 0), pc.is_valid(table["quality"]))
    table = table.set_column(2, "quality", pc.if_else(graded_failure, 0.0, table["quality"]))
    order = np.lexsort((table["model_ix"].to_numpy(), table["request_ix"].to_numpy()))
    if not np.array_equal(order, np.arange(len(order))):
        table = table.take(pa.array(order))
    return Tables(given.combine_chunks(), models, table.combine_chunks())
