"""The search for a policy that meets its goals at the least cost."""
