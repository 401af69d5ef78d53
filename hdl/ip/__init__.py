"""Parts of the accelerator by themselves, for other designs."""
