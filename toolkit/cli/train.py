"""The command that trains a router."""
