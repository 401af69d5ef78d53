"""Behavioural models: the analog arrays behind the pins of the digital periphery."""
