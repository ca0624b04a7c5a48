"""Ctrl-C: whatever it hits, a command ends with one short message and exit code 130."""

from __future__ import annotations

import os
import signal
import threading

import duckdb
import pytest
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.errors import DataError
from toolkit.logs import datasets


def pressed() -> None:
    """Press Ctrl-C, and stop at it as a library does that has an error of its own for it."""
    try:
        signal.raise_signal(signal.SIGINT)
        signal.pause()
    except KeyboardInterrupt:
        pass


def stops() -> None:
    """An error of a library's own."""
    pressed()
    raise RuntimeError("Query interrupted")


def stops_wrapped() -> None:
    """The same, wrapped by a reader of ours."""
    try:
        stops()
    except RuntimeError as error:
        raise DataError("log.csv: the csv file cannot be read") from error


def stops_plainly() -> None:
    """Python's own."""
    signal.raise_signal(signal.SIGINT)
    signal.pause()


def stops_in_duckdb() -> None:
    """DuckDB at work, and Ctrl-C from outside."""
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    while True:
        duckdb.sql("SELECT count(*) FROM range(3_000_000) t(i) WHERE hash(i) % 7 = 1").fetchall()


def fails() -> None:
    """An error that is one."""
    raise RuntimeError("odd")


def finds_a_mistake() -> None:
    """A mistake that is found after Ctrl-C was put to use."""
    pressed()
    raise DataError("no trial was finished")


def run(monkeypatch, ending, *arguments):
    """Run a command whose loading of a dataset ends in this way."""
    monkeypatch.setattr(datasets, "list_datasets", ending)
    return CliRunner().invoke(app, ["datasets", *arguments])


@pytest.mark.parametrize("ending", [stops, stops_wrapped, stops_plainly, stops_in_duckdb])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_ctrl_c_is_one_message_and_130(monkeypatch, ending, form):
    """Nothing on standard output, one line on standard error, and no traceback."""
    done = run(monkeypatch, ending, *form)
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "Interrupted.\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_ctrl_c_an_error_is_an_error(monkeypatch):
    """What fails by itself is not called interrupted."""
    assert isinstance(run(monkeypatch, fails).exception, RuntimeError)


def test_a_mistake_after_ctrl_c_is_told(monkeypatch):
    """A command that put Ctrl-C to use, as a search does, still says what is wrong."""
    done = run(monkeypatch, finds_a_mistake)
    assert (done.exit_code, done.stderr) == (2, "no trial was finished\n")


def test_a_handler_of_others_stays(monkeypatch):
    """Where Ctrl-C is ignored, as in the background of a shell, it stays ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run(monkeypatch, list)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
