"""Ctrl-C ends a command as one thing, whatever the libraries make of it.

DuckDB turns it into a RuntimeError, readers wrap that in errors of theirs, and an error that a
library raises while it stops looks like a fault. So what ends a command after Ctrl-C was pressed is
that Ctrl-C.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from toolkit.errors import DetourError


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for whatever a Ctrl-C ended the block with.

    A mistake that is found after Ctrl-C was put to use, as a search does, stays what it is. Where
    Ctrl-C is ignored, or another handler has it, nothing is changed.
    """
    pressed = False

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.default_int_handler(number, frame)

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, press)
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except DetourError as error:
        if pressed and error.__cause__ is not None:
            raise KeyboardInterrupt from error
        raise
    except Exception as error:
        if pressed:
            raise KeyboardInterrupt from error
        raise
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
