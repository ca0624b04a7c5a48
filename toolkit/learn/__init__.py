"""What a router learns from a log: features, models, calibration, and where it is kept."""
