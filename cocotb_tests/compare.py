"""Comparison of hardware and golden values: equal to the bit, or the first divergence by name."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from cocotb.utils import get_sim_time


class Divergence(AssertionError):
    """Hardware and golden model differ."""


def compare(unit: str, operation: str, golden: Any, rtl: Any, axes: Sequence[str] = ()) -> None:
    """Raise at the first element in which ``rtl`` differs from ``golden``.

    Parameters
    ----------
    unit, operation
        What is compared, for the report.
    golden, rtl
        Integers or arrays of integers of one shape.
    axes
        Name of each axis: ``("slice", "row", "column")``.

    Raises
    ------
    Divergence
        The message names unit, operation, place, both values, how many differ, and the time.
    """
    golden, rtl = np.asarray(golden), np.asarray(rtl)
    now = f"at {get_sim_time('ns'):.0f} ns"
    if golden.shape != rtl.shape:
        raise Divergence(
            f"first divergence: {unit}, {operation}: golden has shape {golden.shape}, "
            f"rtl {rtl.shape}, {now}"
        )
    differs = np.argwhere(golden != rtl)
    if len(differs):
        first = tuple(differs[0])
        place = ", ".join(f"{axis} {index}" for axis, index in zip(axes, first, strict=True))
        raise Divergence(
            f"first divergence: {unit}, {operation}{', ' if place else ''}{place}: "
            f"golden {golden[first]}, rtl {rtl[first]} "
            f"({len(differs)} of {golden.size} values differ), {now}"
        )
