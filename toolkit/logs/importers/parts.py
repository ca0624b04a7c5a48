"""Several values out of one column of JSON, parsed once.

Parsing is what costs. DuckDB sees that the same list of paths is asked for in several columns and
extracts it once, but not inside CASE or coalesce, which it evaluates apart. ``within`` hands the
list to such an expression from outside.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parts:
    """Values in a column of JSON text; all are missing where the text is no JSON."""

    column: str
    """SQL of the JSON text."""
    paths: tuple[tuple[str, str], ...]
    """Our name of each value, and its path without ``$.``, constants of ours."""

    @property
    def _all(self) -> str:
        listed = ", ".join(f"'$.{path}'" for _, path in self.paths)
        return f"TRY(json_extract_string({self.column}, [{listed}]))"

    def __getitem__(self, name: str) -> str:
        """SQL of one value as text."""
        return f"{self._all}[{self._place(name)}]"

    def within(self, expression: str) -> str:
        """SQL of an expression over the values, which stand in it as ``{name}``."""
        values = {name: f"m[{self._place(name)}]" for name, _ in self.paths}
        return f"list_transform([{self._all}], lambda m: {expression.format(**values)})[1]"

    def _place(self, name: str) -> int:
        return [known for known, _ in self.paths].index(name) + 1
