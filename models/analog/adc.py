"""ADCs: held line currents to signed codes (PANTHER, section 3; contract of the converters)."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from panther.arch.params import McuParams


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """The codes of one sample."""

    code: NDArray[np.int32]
    """Codes, shape (lines, slices)."""
    over: NDArray[np.bool_]
    """Whether the sum lay outside the code range, shape (lines, slices)."""


@numba.njit(cache=True, nogil=True)
def _convert(sums, step_log2, low, high, code, over):  # type: ignore[no-untyped-def]
    for k in range(sums.shape[0]):
        half = (1 << step_log2[k]) >> 1
        for line in range(sums.shape[1]):
            exact = (np.int32(sums[k, line]) + half) >> step_log2[k]
            clipped = min(max(exact, low[k]), high[k])
            code[line, k] = clipped
            over[line, k] = clipped != exact


class Adc:
    """``code = clip((sum + half a step) >> step_log2)`` with the width and step of each slice.

    Parameters
    ----------
    params
        Slices and converters.
    """

    def __init__(self, params: McuParams) -> None:
        bits = np.array(params.adc_bits, dtype=np.int32)
        self._low = -(np.int32(1) << (bits - 1))
        self._high = ~self._low
        self._step_log2 = np.array(params.adc_step_log2, dtype=np.int32)
        self._no_step = np.zeros_like(self._step_log2)

    def convert(self, sums: NDArray[np.signedinteger], *, fine: bool) -> Conversion:
        """Convert held sums, shape (slices, lines); ``fine`` selects a step of 1."""
        shape = sums.shape[::-1]
        code, over = np.empty(shape, dtype=np.int32), np.empty(shape, dtype=np.bool_)
        step_log2 = self._no_step if fine else self._step_log2
        _convert(sums, step_log2, self._low, self._high, code, over)
        return Conversion(code=code, over=over)
