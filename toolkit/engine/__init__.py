"""Decisions, the state machine, and its two drivers: replay (the log) and live (LiteLLM)."""
