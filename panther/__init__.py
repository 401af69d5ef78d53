"""PANTHER-RTL: design, simulate and verify an in-memory training accelerator."""

__version__ = "0.1.0"
