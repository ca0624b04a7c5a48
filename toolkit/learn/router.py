"""To be written."""

from __future__ import annotations


class QualityRouter:
    """To be written."""
