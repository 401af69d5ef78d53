"""Speed: the golden model and the co-simulation. ``python -m benchmarks`` runs all of it."""
