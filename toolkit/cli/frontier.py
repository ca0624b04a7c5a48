"""The command ``frontier``."""
