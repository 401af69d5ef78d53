"""The vector unit: what every function does to signed words of 16 bits.

Literal, whole vectors at a time. The tables follow from their formulas here, not from
``panther.arch.tables``, which hardware and twin read.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.fixed import Ints, as_words, round_shift, saturate
from panther.arch.isa import Function

BITS = 16
HIGH = 32767
LOW = -32768

LOG2_E = 47274
"""log2(e), 15 fraction bits."""
LN_2 = 45426
"""ln(2), 16 fraction bits."""
REST_BITS = 11
LINE_FRACTION = 27
"""Fraction bits between two points: 16 of the points, 11 of the place between them."""


def _rounded(values: NDArray[np.float64], fraction: int) -> Ints:
    return np.rint(values * 2.0**fraction).astype(np.int64)


EXP2 = _rounded(2.0 ** (-np.arange(256) / 256), 14)
"""``2**(-i / 256)``, 14 fraction bits."""
TANH = _rounded(np.tanh(np.arange(257) / 32), 16)
"""``tanh(i / 32)``, 16 fraction bits."""
LOG = _rounded(np.log1p(np.arange(257) / 256), 16)
"""``ln(1 + i / 256)``, 16 fraction bits."""
RECIP = _rounded(1 / (1 + np.arange(257) / 256), 16)
"""``1 / (1 + i / 256)``, 16 fraction bits."""

ROUNDED = (Function.MUL, Function.SHR)
"""The functions that may round stochastically."""


# ---- exact functions, before saturation


def _mask(condition: NDArray[np.bool_]) -> Ints:
    return np.where(condition, -1, 0)


def _saturated_gradient(a: Ints, b: Ints) -> Ints:
    return np.where(((b == HIGH) & (a < 0)) | ((b == LOW) & (a > 0)), 0, a)


_EXACT: dict[Function, Callable[[Ints, Ints], Ints]] = {
    Function.ADD: lambda a, b: a + b,
    Function.SUB: lambda a, b: a - b,
    Function.RSUB: lambda a, b: b - a,
    Function.AND: lambda a, b: a & b,
    Function.OR: lambda a, b: a | b,
    Function.ANDN: lambda a, b: a & ~b,
    Function.CGT: lambda a, b: _mask(a > b),
    Function.CEQ: lambda a, b: _mask(a == b),
    Function.MAX: np.maximum,
    Function.MIN: np.minimum,
    Function.MOV: lambda a, _: a.copy(),
    Function.SATG: _saturated_gradient,
}


def divide(a: Ints, divisor: int, shift: int) -> Ints:
    """``(a << shift) / divisor`` to nearest, ties away from zero; not saturated.

    The magnitude is ``((|a| << shift) + (|divisor| >> 1)) div |divisor|``.
    """
    size = abs(divisor)
    magnitude = ((np.abs(a) << shift) + (size >> 1)) // size
    return np.where((a < 0) != (divisor < 0), -magnitude, magnitude)


# ---- table functions


def _on_the_line(points: Ints, x: Ints) -> Ints:
    """Value at ``x``, 27 fraction bits: 8 bits of ``x`` choose a point, 11 a place behind it."""
    index, rest = x >> REST_BITS, x & ((1 << REST_BITS) - 1)
    value: Ints = (points[index] << REST_BITS) + (points[index + 1] - points[index]) * rest
    return value


def exponential(a: Ints, fraction: int) -> Ints:
    """``exp(-max(a, 0) * 2**-fraction)``, 14 fraction bits.

    With ``t = round_shift(a * 47274, fraction + 7)``, the exponent to base 2 in units of 1/256,
    it is ``round_shift(EXP2[t mod 256], t div 256)``.
    """
    t = round_shift(np.maximum(a, 0) * LOG2_E, fraction + 7)
    places = np.minimum(t >> 8, 20)  # nothing is left long before
    value: Ints = (EXP2[t & 255] + ((1 << places) >> 1)) >> places
    return value


def _tanh(size: Ints, places: int) -> Ints:
    """Hyperbolic tangent of ``size * 2**places`` with 16 fraction bits; the result has 27."""
    x = np.minimum(size << places, (8 << 16) - 1)
    return _on_the_line(TANH, x)


def tanh(a: Ints, fraction: int) -> Ints:
    """``tanh(a * 2**-fraction)``, 14 fraction bits; odd."""
    return np.sign(a) * round_shift(_tanh(np.abs(a), 16 - fraction), LINE_FRACTION - 14)


def sigmoid(a: Ints, fraction: int) -> Ints:
    """``(1 + tanh(a / 2 * 2**-fraction)) / 2``, 14 fraction bits; ``f(-a) = 1 - f(a)``."""
    twice = (1 << LINE_FRACTION) + _tanh(np.abs(a), 15 - fraction)
    positive = round_shift(twice, LINE_FRACTION + 1 - 14)
    return np.where(a < 0, (1 << 14) - positive, positive)


def _normalised(size: Ints) -> tuple[Ints, Ints]:
    """Exponent and place in the table of ``size = 2**exponent * (1 + place / 2**19)``."""
    exponent = np.floor(np.log2(size)).astype(np.int64)
    return exponent, (size << (19 - exponent)) - (1 << 19)


def logarithm(a: Ints, fraction: int) -> Ints:
    """``ln(a * 2**-fraction)``, 10 fraction bits; ``LOW - 1`` where ``a`` is not positive."""
    exponent, x = _normalised(np.maximum(a, 1))
    total = (((exponent - fraction) * LN_2) << REST_BITS) + _on_the_line(LOG, x)
    return np.where(a > 0, round_shift(total, LINE_FRACTION - 10), LOW - 1)


def reciprocal(a: Ints, fraction: int) -> Ints:
    """``1 / (a * 2**-fraction)``, 10 fraction bits; odd, not saturated; ``HIGH + 1`` for 0."""
    exponent, x = _normalised(np.maximum(np.abs(a), 1))
    places = LINE_FRACTION - 10 + exponent - fraction
    magnitude = (_on_the_line(RECIP, x) + ((1 << places) >> 1)) >> places
    return np.where(a == 0, HIGH + 1, np.sign(a) * magnitude)


_TABLE: dict[Function, Callable[[Ints, int], Ints]] = {
    Function.EXP: exponential,
    Function.SIGMOID: sigmoid,
    Function.TANH: tanh,
    Function.LOG: logarithm,
    Function.RECIP: reciprocal,
}


# ---- random numbers


def step(state: int) -> int:
    """One step of the 32-bit generator x**32 + x**7 + x**6 + x**2 + 1."""
    bit = (state ^ state >> 2 ^ state >> 6 ^ state >> 7) & 1
    return bit << 31 | state >> 1


def random_words(state: int, words: int) -> tuple[Ints, int]:
    """The numbers behind the stochastic rounding of a vector.

    The generator steps 32 times for every lane of every group of four words, used or not; the
    number of a lane is the state it leaves.

    Parameters
    ----------
    state : int
        State of the generator, 1 to 2**32 - 1.
    words : int
        Length of the vector.

    Returns
    -------
    numbers : ndarray of int64, shape (words,)
        0 to 2**32 - 1 each.
    state : int
        State after the vector.

    Raises
    ------
    ValueError
        If the state is out of range.
    """
    if not 1 <= state < 1 << 32:
        raise ValueError(f"State must be an integer in the range [1, 2**32 - 1], not {state!r}")
    numbers = []
    for _ in range(-(-words // 4) * 4):
        for _ in range(32):
            state = step(state)
        numbers.append(state)
    return np.array(numbers[:words], np.int64), state


def _round(value: Ints, shift: int, random: Ints | None) -> Ints:
    """``value >> shift`` to nearest, ties up, or up by chance of what is shifted out."""
    if random is None:
        return round_shift(value, shift)
    return (value + (random >> (32 - shift))) >> shift


# ---- the unit


def compute(
    function: Function, a: Any, b: Any = 0, *, shift: int = 0, random: Ints | None = None
) -> tuple[Ints, int]:
    """Carry out ``function`` for every element of a vector.

    Parameters
    ----------
    function : Function
    a : array_like of int, shape (words,)
        Words.
    b : array_like of int, shape (words,), or int
        Words, or one number for all elements: of its 32 bits the low 16 count, signed, but in
        DIV all, and there it must not be 0.
    shift : int
        Bits to shift by, 0 to 31; of a table function the fraction bits of ``a``, 0 to 15.
    random : ndarray of int64, shape (words,), optional
        Numbers of :func:`random_words`: MUL and SHR round stochastically, adding the number's
        top ``shift`` bits before the shift.

    Returns
    -------
    words : ndarray of int64, shape (words,)
    saturated : int
        How many words saturated.

    Raises
    ------
    ValueError
        If a word or the shift is out of range, or the function works on whole vectors only.
    """
    a = as_words("Words", a, bits=BITS, shape=np.shape(a))
    most = 31 if function is Function.MUL else 15
    if not 0 <= shift <= most:
        raise ValueError(f"Shift must be an integer in the range [0, {most}], not {shift!r}")
    if function is Function.DIV:
        exact = divide(a, int(b), shift)
    elif function in _TABLE:
        exact = _TABLE[function](a, shift)
    elif function is Function.SHL:
        exact = a << shift
    elif function is Function.SHR:
        exact = _round(a, shift, random)
    else:
        if np.ndim(b):
            b = as_words("Words", b, bits=BITS, shape=a.shape)
        else:
            b = np.full_like(a, (int(b) + 32768) % 65536 - 32768)
        if function is Function.MUL:
            exact = _round(a * b, shift, random)
        elif function in _EXACT:
            exact = _EXACT[function](a, b)
        else:
            raise ValueError(f"{function.name} must be asked of reduce")
    words = saturate(exact, BITS)
    return words, int(np.count_nonzero(words != exact))


def reduce(function: Function, a: Any) -> int:
    """Greatest element (MAX) or sum (SUM) of a vector of words.

    Raises
    ------
    ValueError
        If a word is out of range, or it is another function.
    """
    words = as_words("Words", a, bits=BITS, shape=np.shape(a))
    if function is Function.MAX:
        return int(words.max())
    if function is Function.SUM:
        return int(words.sum())
    raise ValueError(f"Reduction must be MAX or SUM, not {function.name}")
