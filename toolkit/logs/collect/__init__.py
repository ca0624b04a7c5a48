"""Collecting outcomes: prompts are asked of targets, graded, and logged so that nothing is lost."""

from toolkit.logs.collect.run import CollectReport, collect

__all__ = ["CollectReport", "collect"]
