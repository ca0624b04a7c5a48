"""What the pages share: cached loaders, the draft of a policy, widgets. It computes nothing."""
