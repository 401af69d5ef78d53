"""ADCs: held line currents to signed codes (PANTHER, section 3; contract of the converters)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panther.arch.params import McuParams


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """The codes of one sample."""

    code: NDArray[np.int64]
    """Codes, shape (lines, slices)."""
    over: NDArray[np.bool_]
    """Whether the sum lay outside the code range, shape (lines, slices)."""


class Adc:
    """``code = clip((sum + half a step) >> step_log2)`` with the width and step of each slice.

    Parameters
    ----------
    params
        Slices and converters.
    """

    def __init__(self, params: McuParams) -> None:
        bits = np.array(params.adc_bits, dtype=np.int64)
        self.low = -(np.int64(1) << (bits - 1))
        self.high = ~self.low
        self.step_log2 = np.array(params.adc_step_log2, dtype=np.int64)
        self.half = (np.int64(1) << self.step_log2) >> 1
        self.has_steps = bool(self.step_log2.any())

    def convert(self, sums: NDArray[np.int64], *, fine: bool) -> Conversion:
        """Convert held sums, shape (lines, slices); ``fine`` selects a step of 1."""
        if self.has_steps and not fine:
            sums = (sums + self.half) >> self.step_log2
        code = np.minimum(np.maximum(sums, self.low), self.high)
        return Conversion(code=code, over=code != sums)
