"""The command ``search``."""
