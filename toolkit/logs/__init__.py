"""Outcomes of models on requests: read, checked, stored, exported and collected."""
