"""PANTHER-RTL: design, simulate and verify an in-memory training accelerator."""

import importlib
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``panther.train(...)``, imported when it is first asked for."""
    if name == "train":
        return importlib.import_module("panther.train")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
