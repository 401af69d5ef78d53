"""Two's complement words: rounding, saturation, requantisation, and the check of operands."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]


def check_shift(shift: int) -> None:
    """Refuse what is no shift of a 64-bit word.

    Raises
    ------
    ValueError
        If the shift is out of range.
    """
    if not 0 <= shift <= 63:
        raise ValueError(f"Shift must be an integer in the range [0, 63], not {shift!r}")


def round_shift(value: ArrayLike, shift: int) -> Ints:
    """``value / 2**shift`` rounded to the nearest integer, ties toward plus infinity.

    Exact for every 64-bit value: half an LSB is added after the shift, so nothing overflows.

    Parameters
    ----------
    value : array_like of int
        Any shape.
    shift : int
        Bits dropped, 0 to 63.

    Returns
    -------
    ndarray of int64, shape of ``value``

    Raises
    ------
    ValueError
        If the shift is out of range.
    """
    check_shift(shift)
    whole = np.asarray(value, np.int64)
    if shift == 0:
        return whole.copy()
    return (whole >> shift) + ((whole >> (shift - 1)) & 1)


def saturate(value: ArrayLike, bits: int) -> Ints:
    """Clip to the range of a two's complement word of ``bits`` bits."""
    high = (1 << (bits - 1)) - 1
    return np.minimum(np.maximum(np.asarray(value, np.int64), -high - 1), high)


def requantise(total: ArrayLike, *, shift: int, bits: int) -> tuple[Ints, int]:
    """Round ``total`` down by ``shift`` bits and saturate to a word of ``bits`` bits.

    Returns
    -------
    words : ndarray of int64, shape of ``total``
    saturated : int
        How many words saturated.

    Raises
    ------
    ValueError
        If the shift is out of range.
    """
    rounded = round_shift(total, shift)
    words = saturate(rounded, bits)
    return words, int(np.count_nonzero(words != rounded))


def as_integers(name: str, values: Any) -> Ints:
    """``values`` as int64, refusing anything that is not an integer already.

    Raises
    ------
    ValueError
        If the values are not integers; ``name`` is the subject of the message.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = array[~np.isfinite(array)].flat[0]
            raise ValueError(f"{name} must be integers, not {bad}")
        raise ValueError(f"{name} must be integers, not of type {array.dtype}")
    return array.astype(np.int64, copy=False)


def as_words(name: str, values: Any, *, bits: int, shape: tuple[int, ...]) -> Ints:
    """``values`` as int64 after checking that they are words of ``bits`` bits in that shape.

    Raises
    ------
    ValueError
        If the type, the shape or a value is wrong; ``name`` is the subject of the message.
    """
    array = as_integers(name, values)
    if array.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, not {array.shape}")
    high = (1 << (bits - 1)) - 1
    if array.size and (array.min() < -high - 1 or array.max() > high):
        bad = array[(array < -high - 1) | (array > high)].flat[0]
        raise ValueError(f"{name} must be in the range [{-high - 1}, {high}], not {bad}")
    return array
