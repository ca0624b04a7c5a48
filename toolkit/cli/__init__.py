"""The command line, ``python -m toolkit``.

Results go to standard output, everything else (progress, notes, errors) to standard error. With
``--json`` a command that succeeds prints exactly one JSON object. What a user can mend ends in a
message and exit code 2, never in a traceback.
"""

from __future__ import annotations

import sys

from toolkit.cli import (  # noqa: F401  their commands join
    cache,
    check,
    data,
    estimate,
    explore,
    fetch,
    frontier,
    gate,
    incident,
    policies,
    routers,
    scenarios,
    search,
    simulate,
    train,
)
from toolkit.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    # A terminal that cannot show a character gets its escape, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
    app(prog_name="python -m toolkit")
