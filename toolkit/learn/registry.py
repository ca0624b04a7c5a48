"""To be written."""

from __future__ import annotations


def list_routers() -> None:
    """To be written."""


def load_router() -> None:
    """To be written."""


def save_router() -> None:
    """To be written."""
