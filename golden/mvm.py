"""MVM and MTVM, literally: bit step by bit step, slice by slice, one conversion at a time.

PANTHER, section 3 (matrix operations): the input is streamed one bit a step, least significant
first; the sign step subtracts. In every step the column sum of every slice is digitised and
shifted and added over slices and steps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.fixed import Ints, as_words, requantise, round_shift, saturate
from golden.slicing import check_crossbar
from panther.arch.params import McuParams


@dataclass(frozen=True)
class Product:
    """What one MVM or MTVM yields."""

    y: Ints
    """Requantised outputs, saturated to ``operand_bits`` bits."""
    clipped: Ints
    """ADC conversions of each slice whose sum was outside the code range; shape (slices,)."""
    saturated: int
    """Outputs that saturated in the requantisation."""


def convert(params: McuParams, k: int, sums: Ints) -> tuple[Ints, int]:
    """Digitise line sums of slice ``k``: ``clip((sum + half a step) >> step_log2)``.

    Returns
    -------
    codes : ndarray of int64, shape of ``sums``
    clipped : int
        Conversions whose sum was outside the code range.
    """
    exact = round_shift(sums, params.adc_step_log2[k])
    codes = saturate(exact, params.adc_bits[k])
    return codes, int(np.count_nonzero(codes != exact))


def _stream(params: McuParams, cells: Ints, word: Ints, shift: int) -> Product:
    """Drive the rows of ``cells`` with the bits of ``word`` and read its columns."""
    total = np.zeros(cells.shape[2], np.int64)
    clipped = np.zeros(params.slices.count, np.int64)
    for step in range(params.operand_bits):
        bit = (word >> step) & 1
        step_sum = np.zeros_like(total)
        for k in range(params.slices.count):
            codes, lost = convert(params, k, bit @ cells[k])
            step_sum += codes << (params.adc_step_log2[k] + k * params.slices.value_bits)
            clipped[k] += lost
        is_sign = step == params.operand_bits - 1
        total += (-step_sum if is_sign else step_sum) << step
    y, saturated = requantise(total, shift=shift, bits=params.operand_bits)
    return Product(y, clipped, saturated)


def mvm(params: McuParams, cells: Any, x: Any, *, shift: int) -> Product:
    """``y[c] = sum_r x[r] * w[r, c]`` as the crossbar computes it: rows driven, columns read.

    Parameters
    ----------
    params : McuParams
    cells : array_like of int, shape (slices, rows, columns)
        The used part of one crossbar; not necessarily canonical.
    x : array_like of int, shape (rows,)
        Words of ``operand_bits`` bits.
    shift : int
        Requantisation shift of the output.

    Returns
    -------
    Product
        With ``y`` of shape (columns,).

    Raises
    ------
    ValueError
        If cells or inputs have the wrong shape or range.
    """
    array = check_crossbar(cells, params)
    word = as_words("Input", x, bits=params.operand_bits, shape=(array.shape[1],))
    return _stream(params, array.astype(np.int64), word, shift)


def mtvm(params: McuParams, cells: Any, e: Any, *, shift: int) -> Product:
    """``y[r] = sum_c e[c] * w[r, c]``: :func:`mvm` with rows and columns exchanged.

    Parameters
    ----------
    params : McuParams
    cells : array_like of int, shape (slices, rows, columns)
    e : array_like of int, shape (columns,)
        Words of ``operand_bits`` bits.
    shift : int
        Requantisation shift of the output.

    Returns
    -------
    Product
        With ``y`` of shape (rows,).

    Raises
    ------
    ValueError
        If cells or errors have the wrong shape or range.
    """
    array = check_crossbar(cells, params)
    word = as_words("Error", e, bits=params.operand_bits, shape=(array.shape[2],))
    return _stream(params, array.astype(np.int64).transpose(0, 2, 1), word, shift)
