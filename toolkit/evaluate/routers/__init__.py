"""Training that cannot fool itself: a router judged on requests it has not seen."""
