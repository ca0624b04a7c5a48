"""What goes wrong in a replay, and when its requests arrive: written, checked and aimed."""
