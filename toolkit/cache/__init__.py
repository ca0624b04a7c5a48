"""Which requests may share an answer, and the live cache that lets them."""
