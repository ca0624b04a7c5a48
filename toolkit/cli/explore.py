"""The command ``explore``."""
