"""The command ``estimate``."""
