"""Detour: a flight simulator for LLM routing and fallbacks."""

from __future__ import annotations

__version__ = "0.1.0"
