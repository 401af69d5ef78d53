"""The digital periphery of PANTHER in Amaranth, one component per file."""
