"""Formats of logs: a module each, which says how to tell the format and what its columns mean."""
