"""The vector unit at transaction level: a whole vector per call, equal to ``hdl.core.vfu``.

Everything here is called from compiled code as well. Compiled code keeps the tables and the
numbers of functions it was compiled with: remove ``__pycache__`` after a change of
``panther/arch``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system.compiled import compiled
from panther.arch.core import LANES, SEED_DEFAULT
from panther.arch.isa import Function
from panther.arch.tables import (
    EXP2,
    EXP_DROP,
    FUNCTION_FRACTION,
    INDEX_BITS,
    LN_2,
    LOG,
    LOG2_E,
    POINT_FRACTION,
    RANGE_FRACTION,
    RECIP,
    REST_BITS,
    TANH,
)

Words = NDArray[np.int16]
Points = NDArray[np.int32]

_ADD, _SUB, _RSUB = int(Function.ADD), int(Function.SUB), int(Function.RSUB)
_AND, _OR, _ANDN = int(Function.AND), int(Function.OR), int(Function.ANDN)
_CGT, _CEQ, _SATG = int(Function.CGT), int(Function.CEQ), int(Function.SATG)
_MAX, _MIN, _MOV = int(Function.MAX), int(Function.MIN), int(Function.MOV)
_MUL, _DIV, _SHL, _SHR = (
    int(Function.MUL), int(Function.DIV), int(Function.SHL), int(Function.SHR),
)  # fmt: skip
_EXP, _SIGMOID, _TANH = int(Function.EXP), int(Function.SIGMOID), int(Function.TANH)
_LOG, _RECIP, _SUM = int(Function.LOG), int(Function.RECIP), int(Function.SUM)

_EXP2_POINTS = np.array(EXP2, np.int32)
_TANH_POINTS = np.array(TANH, np.int32)
_LOG_POINTS = np.array(LOG, np.int32)
_RECIP_POINTS = np.array(RECIP, np.int32)
_LINE_FRACTION = POINT_FRACTION + REST_BITS
_PLACE_BITS = INDEX_BITS + REST_BITS
_LAST_PLACE = (1 << _PLACE_BITS) - 1


class Vfu(NamedTuple):
    """Registers of a vector unit, arrays of one element so that compiled code can set them."""

    rounding: NDArray[np.int64]
    """0 to nearest, 1 stochastic."""
    seed: NDArray[np.int64]
    """State of the generator, 1 to 2**32 - 1."""
    saturated: NDArray[np.int64]
    """Words saturated, modulo 2**32."""


def make_vfu() -> Vfu:
    """A vector unit after reset."""
    return Vfu(np.zeros(1, np.int64), np.full(1, SEED_DEFAULT, np.int64), np.zeros(1, np.int64))


@compiled
def next_word(state: int) -> int:
    """The generator's state 32 steps on.

    The 25 lowest new bits follow from the state alone, the others from new bits below them, too.
    """
    low = state ^ state >> 2 ^ state >> 6 ^ state >> 7
    word: int = (low ^ low << 25 ^ low << 26 ^ low << 30) & 0xFFFFFFFF
    return word


@compiled
def _clip(value: int) -> int:
    return min(max(value, -32768), 32767)


@compiled
def _size(word: np.int16) -> int:
    """Magnitude; in compiled code only the sum is wider than a word."""
    return abs(int(word) + 0)


@compiled
def _line(points: Points, place: int) -> int:
    """Between two points, with 27 fraction bits."""
    index, rest = place >> REST_BITS, place & ((1 << REST_BITS) - 1)
    base = int(points[index])
    return (base << REST_BITS) + (int(points[index + 1]) - base) * rest


@compiled
def _round(value: int, shift: int) -> int:
    return (value + ((1 << shift) >> 1)) >> shift


@compiled
def _exponent(size: int) -> int:
    """Number of the leading one of a positive number."""
    exponent = 0
    while size >> (exponent + 1):
        exponent += 1
    return exponent


@compiled
def _stochastic(
    vfu: Vfu, a: Words, b: Words, use_vector: bool, word: int, shift: int, out: Words
) -> int:
    """MUL with stochastic rounding; how many words saturated."""
    state, saturated = vfu.seed[0], 0
    for i in range(a.size):
        state = next_word(state)
        exact = int(a[i]) * (int(b[i]) if use_vector else word)
        exact = (exact + (state >> (32 - shift))) >> shift
        out[i] = _clip(exact)
        saturated += exact != _clip(exact)
    for _ in range(-a.size % LANES):
        state = next_word(state)
    vfu.seed[0] = state
    return saturated


@compiled
def _table(function: int, a: Words, fraction: int, out: Words) -> int:
    """EXP, SIGMOID, TANH, LOG and RECIP; how many words saturated."""
    saturated = 0
    if function == _EXP:
        for i in range(a.size):
            t = _round(max(int(a[i]), 0) * LOG2_E, fraction + EXP_DROP)
            places = min(t >> INDEX_BITS, 20)
            out[i] = _round(int(_EXP2_POINTS[t & ((1 << INDEX_BITS) - 1)]), places)
    elif function == _TANH:
        for i in range(a.size):
            place = min(_size(a[i]) << (16 - fraction), _LAST_PLACE)
            size = _round(_line(_TANH_POINTS, place), _LINE_FRACTION - FUNCTION_FRACTION)
            out[i] = -size if a[i] < 0 else size
    elif function == _SIGMOID:
        for i in range(a.size):
            place = min(_size(a[i]) << (15 - fraction), _LAST_PLACE)
            twice = (1 << _LINE_FRACTION) + _line(_TANH_POINTS, place)
            size = _round(twice, _LINE_FRACTION + 1 - FUNCTION_FRACTION)
            out[i] = (1 << FUNCTION_FRACTION) - size if a[i] < 0 else size
    else:
        for i in range(a.size):
            size = _size(a[i])
            if size == 0 or (function == _LOG and a[i] < 0):
                out[i] = -32768 if function == _LOG else 32767
                saturated += 1
                continue
            exponent = _exponent(size)
            place = (size << (_PLACE_BITS - exponent)) & _LAST_PLACE
            if function == _LOG:
                whole = ((exponent - fraction) * LN_2) << REST_BITS
                total = whole + _line(_LOG_POINTS, place)
                out[i] = _round(total, _LINE_FRACTION - RANGE_FRACTION)
            else:
                places = _LINE_FRACTION - RANGE_FRACTION + exponent - fraction
                exact = _round(_line(_RECIP_POINTS, place), places)
                exact = -exact if a[i] < 0 else exact
                out[i] = _clip(exact)
                saturated += exact != _clip(exact)
    return saturated


@compiled
def compute(
    vfu: Vfu, function: int, a: Words, b: Words, use_vector: bool, scalar: int, shift: int,
    out: Words,
) -> None:  # fmt: skip
    """Carry out ``function`` for every element of a vector.

    Parameters
    ----------
    vfu
        Counts saturated words; its generator advances if the rounding is stochastic.
    function
        A :class:`panther.arch.isa.Function` but SUM.
    a
        Words.
    b
        Words, looked at only if ``use_vector``.
    use_vector
        Whether the second operand is ``b`` or ``scalar``.
    scalar
        Number of 32 bits, signed; only in DIV more than the low 16 bits count, and there it must
        not be 0.
    shift
        Bits to shift by, or the fraction bits of ``a``.
    out
        Result; may be the memory of ``a`` or ``b``.
    """
    word = ((scalar + 32768) & 65535) - 32768
    n, saturated = a.size, 0
    if function == _ADD:
        for i in range(n):
            exact = int(a[i]) + (int(b[i]) if use_vector else word)
            out[i] = _clip(exact)
            saturated += exact != _clip(exact)
    elif function == _SUB:
        for i in range(n):
            exact = int(a[i]) - (int(b[i]) if use_vector else word)
            out[i] = _clip(exact)
            saturated += exact != _clip(exact)
    elif function == _RSUB:
        for i in range(n):
            exact = (int(b[i]) if use_vector else word) - int(a[i])
            out[i] = _clip(exact)
            saturated += exact != _clip(exact)
    elif function == _MUL:
        if vfu.rounding[0]:
            saturated = _stochastic(vfu, a, b, use_vector, word, shift, out)
        else:
            half = (1 << shift) >> 1
            for i in range(n):
                exact = int(a[i]) * (int(b[i]) if use_vector else word)
                exact = (exact + half) >> shift
                out[i] = _clip(exact)
                saturated += exact != _clip(exact)
    elif function == _SHR:
        if vfu.rounding[0]:
            saturated = _stochastic(vfu, a, b, False, 1, shift, out)
        else:
            half = (1 << shift) >> 1
            for i in range(n):
                out[i] = (int(a[i]) + half) >> shift
    elif function == _SHL:
        for i in range(n):
            exact = int(a[i]) << shift
            out[i] = _clip(exact)
            saturated += exact != _clip(exact)
    elif function == _AND:
        for i in range(n):
            out[i] = a[i] & (b[i] if use_vector else word)
    elif function == _OR:
        for i in range(n):
            out[i] = a[i] | (b[i] if use_vector else word)
    elif function == _ANDN:
        for i in range(n):
            out[i] = a[i] & ~(b[i] if use_vector else word)
    elif function == _CGT:
        for i in range(n):
            out[i] = -1 if a[i] > (b[i] if use_vector else word) else 0
    elif function == _CEQ:
        for i in range(n):
            out[i] = -1 if a[i] == (b[i] if use_vector else word) else 0
    elif function == _MAX:
        for i in range(n):
            out[i] = max(a[i], b[i] if use_vector else word)
    elif function == _MIN:
        for i in range(n):
            out[i] = min(a[i], b[i] if use_vector else word)
    elif function == _MOV:
        for i in range(n):
            out[i] = a[i]
    elif function == _SATG:
        for i in range(n):
            limit = b[i] if use_vector else word
            outward = (limit == 32767 and a[i] < 0) or (limit == -32768 and a[i] > 0)
            out[i] = 0 if outward else a[i]
    elif function == _DIV:
        size = abs(scalar)
        for i in range(n):
            exact = ((_size(a[i]) << shift) + (size >> 1)) // size
            exact = -exact if (a[i] < 0) != (scalar < 0) else exact
            out[i] = _clip(exact)
            saturated += exact != _clip(exact)
    else:
        saturated = _table(function, a, shift, out)
    vfu.saturated[0] = (vfu.saturated[0] + saturated) & 0xFFFFFFFF


@compiled
def reduce(function: int, a: Words) -> int:
    """Greatest element (MAX) or sum (SUM) of a vector."""
    if function == _SUM:
        total = 0
        for i in range(a.size):
            total += int(a[i])
        return total
    greatest = -32768
    for i in range(a.size):
        greatest = max(greatest, int(a[i]))
    return greatest
