"""Training runs: engines, data, run folders."""
