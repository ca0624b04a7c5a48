"""Many variants of a policy replayed, and those of them that nothing beats."""
