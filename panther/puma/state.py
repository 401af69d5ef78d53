"""What a run begins with: weights and inputs, random but the same for the same seed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panther.arch.params import McuParams
from panther.puma.masks import Plan
from panther.puma.text import MEMORY_WORDS, PumaProgram

WEIGHT_BITS = 26
"""Weights are Q3.28 and below 1/8, so that a layer neither fades away nor saturates."""
WORD_BITS = 13
"""Inputs are Q4.12 and below 1."""

Matrix = tuple[int, int, int]
"""Tile, core, matrix unit."""


@dataclass(frozen=True, kw_only=True)
class FirstState:
    """Weights and inputs; all else is 0 and all words are free."""

    cells: Mapping[Matrix, NDArray[np.int16]]
    """Of every matrix unit the program uses, shape (slices, rows, columns)."""
    words: NDArray[np.int16]
    """Memory of tile 0, by the addresses of the text."""


def first_state(
    program: PumaProgram,
    plan: Plan,
    mcu: McuParams,
    seed: int,
    *,
    weight_bits: int = WEIGHT_BITS,
    word_bits: int = WORD_BITS,
) -> FirstState:
    """Draw weights and inputs.

    Parameters
    ----------
    program, plan
        What is to be run.
    mcu
        The matrix units.
    seed
        Of the generator.
    weight_bits, word_bits
        Bits of weights and inputs, sign included.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    cells = {}
    for (tile, unit), lines in program.units.items():
        for m in range(len(next((line.operations for line in lines if line.operations), ()))):
            if any(line.operations and line.operations[m] for line in lines):
                weights = rng.integers(
                    -(1 << weight_bits - 1), 1 << weight_bits - 1, (mcu.rows, mcu.columns)
                )
                cells[tile, unit, m] = _digits(weights, mcu)
    words = np.zeros(MEMORY_WORDS, np.int16)
    for place in plan.inputs:
        buffer = plan.used[place]
        words[buffer.address : buffer.address + buffer.length] = rng.integers(
            -(1 << word_bits - 1), 1 << word_bits - 1, buffer.length
        )
    return FirstState(cells=cells, words=words)


def _digits(weights: NDArray[np.int64], mcu: McuParams) -> NDArray[np.int16]:
    """Cells of weights: balanced digits, the last slice holds what is left."""
    count, base = mcu.slices.count, 1 << mcu.slices.value_bits
    cells = np.empty((count, *weights.shape), np.int16)
    rest = weights
    for k in range(count - 1):
        cells[k] = (rest + base // 2) % base - base // 2
        rest = (rest - cells[k]) // base
    cells[-1] = rest
    return cells
