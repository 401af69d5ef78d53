"""What a host sees of the hardware: buses and their translation."""
