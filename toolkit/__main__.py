"""Run the command line: ``python -m toolkit``."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from toolkit.cli import main

        main()
    except KeyboardInterrupt:  # while the commands are loaded; they see to it themselves
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
