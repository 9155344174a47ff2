"""One script per claim of speed, each beside its peer in the same run."""
