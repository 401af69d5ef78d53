"""Synthesis for an FPGA, so that size and speed of the hardware are numbers and not guesses.

``panther synth`` runs it; docs/synthesis.md shows what came out and says how to read it.
"""
