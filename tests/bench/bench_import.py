"""Seconds of ``import toolkit``; the reference is a Python process that imports nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 9


def seconds(code: str) -> float:
    """Time a Python process that runs this code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the difference between the two medians, and their ratio."""
    pairs = [(seconds("pass"), seconds("import toolkit")) for _ in range(ROUNDS)]
    empty, imported = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"Python alone: {empty:.3f} s, with import toolkit: {imported:.3f} s")
    print(f"import toolkit: {imported - empty:.3f} s (wanted at most 0.3)")
    print(f"ratio: {imported / empty:.2f}")


if __name__ == "__main__":
    main()
