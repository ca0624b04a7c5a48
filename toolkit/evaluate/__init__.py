"""Results in numbers: summaries, comparisons and baselines, each with its uncertainty."""
