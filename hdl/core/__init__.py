"""The core around the matrix compute units: registers, vector unit, control."""
