"""What a policy would do, estimated from a log in which each request met one model."""
