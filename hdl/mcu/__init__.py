"""The matrix compute unit: everything between the core's registers and the analog pins."""
