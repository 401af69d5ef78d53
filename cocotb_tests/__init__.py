"""Testbenches: the generated Verilog against the golden model, in open-source simulators."""
