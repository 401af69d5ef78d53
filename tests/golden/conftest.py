"""Random crossbars and operands, weighted towards the corners."""

import numpy as np
import pytest

from golden.fast import FastMatrix
from golden.matrix import LiteralMatrix
from panther.arch.params import AdcParams, McuParams, SliceParams


class Corners:
    """Draws cells and words of which about a third lie on a corner."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def _mix(self, low, high, shape):
        corners = np.clip([0, 0, 1, -1, low, low + 1, high, high - 1], low, high)
        uniform = self.rng.integers(low, high, shape, endpoint=True)
        small = np.clip(self.rng.integers(-20, 21, shape), low, high)
        kind = self.rng.integers(0, 3, shape)
        return np.choose(kind, [uniform, small, self.rng.choice(corners, shape)])

    def words(self, bits, shape):
        return self._mix(-(1 << (bits - 1)), (1 << (bits - 1)) - 1, shape)

    def cells(self, slices, rows, columns):
        return np.stack(
            [self._mix(*slices.cell_range(k), (rows, columns)) for k in range(slices.count)]
        ).astype(np.int16)

    def slices(self, *, packed=False):
        if packed:
            return SliceParams(cell_bits=tuple(int(b) for b in self.rng.integers(4, 9, 8)))
        value_bits = int(self.rng.integers(1, 9))
        count = int(self.rng.integers(1, 32 // value_bits + 1))
        widest = 12 if count < 20 else 6
        widths = self.rng.integers(value_bits, max(widest, value_bits) + 1, count)
        return SliceParams(value_bits=value_bits, cell_bits=tuple(int(b) for b in widths))

    def params(self, *, packed=False, lossy=None):
        """An MCU of odd size; ``lossy`` chooses whether its converters clip and have steps."""
        slices = self.slices(packed=packed)
        rows, columns = (int(n) for n in self.rng.integers(4, 24, 2))
        adc = AdcParams()
        if self.rng.random() < 0.5 if lossy is None else lossy:
            bits = [max(2, b + int(self.rng.integers(0, 4))) for b in slices.cell_bits]
            steps = self.rng.integers(0, 3, slices.count)
            adc = AdcParams(bits=tuple(bits), step_log2=tuple(int(a) for a in steps))
        operand_bits = 16 if packed else int(self.rng.integers(2, 17))
        return McuParams(
            rows=rows, columns=columns, operand_bits=operand_bits, slices=slices, adc=adc
        )


@pytest.fixture
def corners():
    """A maker of :class:`Corners` from a seed."""
    return Corners


@pytest.fixture(params=[LiteralMatrix, FastMatrix])
def matrix_class(request):
    """Both matrices."""
    return request.param
