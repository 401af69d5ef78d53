"""What the vector unit does between crossbars: pure integer functions of words.

Every function takes and returns int64 arrays whose last axis is the vector; leading axes are a
batch. A testbench may call them one by one.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from golden.fixed import Ints, as_integers
from golden.vfu import EXP2, LOG2_E
from panther.arch.core import WORD_BITS
from panther.arch.formats import TrainFormats

WORD_HIGH = (1 << (WORD_BITS - 1)) - 1
LOG2_E_FRACTION = 15
EXP2_INDEX_BITS = 8
EXP2_FRACTION = 14


def bias_row(x: Any, formats: TrainFormats) -> Ints:
    """``x`` with the word 1.0 appended, which drives the crossbar row that holds the bias.

    Parameters
    ----------
    x : array_like of int, shape (..., inputs)
        Activation words.
    formats : TrainFormats

    Returns
    -------
    ndarray of int64, shape (..., inputs + 1)
    """
    word = np.asarray(x, np.int64)
    fed = np.empty((*word.shape[:-1], word.shape[-1] + 1), np.int64)
    fed[..., :-1] = word
    fed[..., -1] = formats.activation.one
    return fed


def relu(y: Any) -> Ints:
    """``max(y, 0)``."""
    return np.maximum(np.asarray(y, np.int64), 0)


def relu_backward(e: Any, y: Any) -> Ints:
    """The error ``e`` where the ReLU's input or output ``y`` is positive, else 0."""
    passed: Ints = np.asarray(e, np.int64) * (np.asarray(y) > 0)
    return passed


def feed(y: Ints, formats: TrainFormats, *, rectify: bool) -> Ints:
    """``bias_row(relu(y), formats)``, or ``bias_row(y, formats)``, of a batch in one pass."""
    fed: Ints = _feed(y, formats.activation.one, 0 if rectify else formats.activation.low)
    return fed


@njit(cache=True)
def _feed(y: Ints, one: int, least: int) -> Ints:
    examples, units = y.shape
    fed = np.empty((examples, units + 1), np.int64)
    for b in range(examples):
        for i in range(units):
            fed[b, i] = max(y[b, i], least)
        fed[b, units] = one
    return fed


@njit(cache=True)
def exponential(gap: int, fraction: int) -> int:
    """``exp(-gap / 2**fraction)`` in Q1.14, as :func:`golden.vfu.exponential` of one word.

    With ``t = round_shift(gap * 47274, fraction + 7)``, the exponent to base 2 in units of 1/256,
    the result is ``round_shift(EXP2[t mod 256], t div 256)``, and 0 where ``t div 256`` is above
    15. Products are 64 bits wide; ``round_shift`` is nearest, ties toward plus infinity.

    Parameters
    ----------
    gap : int
        Distance below the greatest logit, at most 2**32.
    fraction : int
        Fraction bits of the word, at least -7.

    Returns
    -------
    int
        0 to 16384.
    """
    drop = fraction + LOG2_E_FRACTION - EXP2_INDEX_BITS
    scaled = (gap * LOG2_E + ((1 << drop) >> 1)) >> drop
    shift = scaled >> EXP2_INDEX_BITS
    if shift > EXP2_FRACTION + 1:
        return 0
    value: int = (EXP2[scaled & ((1 << EXP2_INDEX_BITS) - 1)] + ((1 << shift) >> 1)) >> shift
    return value


@njit(cache=True)
def _softmax_errors(
    logits: Ints, labels: Ints, fraction: int, low: int, high: int, error_fraction: int,
    error_high: int, e: Ints,
) -> int:  # fmt: skip
    """Steps 1 to 5 of :func:`softmax_error`; the first example whose label is no class, or -1.

    ``logits`` and ``e`` have the shape (examples, classes).
    """
    farthest = max(high, WORD_HIGH)
    for b in range(logits.shape[0]):
        if labels[b] < 0 or labels[b] >= logits.shape[1]:
            return b
        greatest, total = logits[b].max(), 0
        for i in range(logits.shape[1]):
            e[b, i] = exponential(min(greatest - logits[b, i], farthest), fraction)
            total += e[b, i]
        for i in range(logits.shape[1]):
            e[b, i] = ((e[b, i] << error_fraction) + (total >> 1)) // total
        e[b, labels[b]] -= 1 << error_fraction
        for i in range(logits.shape[1]):
            if (logits[b, i] >= high and e[b, i] < 0) or (logits[b, i] <= low and e[b, i] > 0):
                e[b, i] = 0
            e[b, i] = min(max(e[b, i], -error_high - 1), error_high)
    return -1


def softmax_error(logits: Any, label: Any, formats: TrainFormats) -> Ints:
    """Gradient of the softmax cross-entropy with respect to the logits, in integers only.

    With words of 16 bits and an error of at most 14 fraction bits it is, to the bit, what a core
    computes: ``vr.max``, ``vs.rsub``, ``vi.exp``, ``vr.sum``, ``vs.div``, ``v.sub``, ``v.satg``.

    1. ``u[i] = exponential(max(logits) - logits[i])``, Q1.14 (see :func:`exponential`), of the
       difference saturated to 16 bits, or to the activation's if it has more;
    2. ``s = sum(u)``;
    3. ``q[i] = ((u[i] << F) + (s >> 1)) div s`` with ``F`` the error's fraction bits: the
       probability, rounded to nearest, ties up;
    4. ``e[i] = q[i] - (1 << F if i == label else 0)``, saturated to the error's word;
    5. ``e[i] = 0`` where the logit is saturated and the update, which moves it against ``e``,
       would push it further out: ``logits[i]`` the most positive activation word and
       ``e[i] < 0``, or the most negative one and ``e[i] > 0``. Without this a clipped logit
       drives its weights away without end.

    Parameters
    ----------
    logits : array_like of int, shape (..., classes)
        Activation words.
    label : int or array_like of int, shape (...)
        The right class of each example.
    formats : TrainFormats

    Returns
    -------
    ndarray of int64, shape (..., classes)
        Error words.

    Raises
    ------
    ValueError
        If a label is no class.
    """
    y = np.asarray(logits, np.int64)
    classes = y.shape[-1]
    right = as_integers("Labels", label)
    if right.shape != y.shape[:-1]:
        right = np.broadcast_to(right, y.shape[:-1])
    act, err = formats.activation, formats.error
    flat = np.ascontiguousarray(y).reshape(-1, classes)
    right = np.ascontiguousarray(right).reshape(-1)
    e = np.empty_like(flat)
    wrong = _softmax_errors(flat, right, act.fraction, act.low, act.high, err.fraction, err.high, e)
    if wrong >= 0:
        raise ValueError(f"Label must be in the range [0, {classes - 1}], not {right[wrong]}")
    return e.reshape(y.shape)


@dataclass(frozen=True)
class Rate:
    """A learning rate as the vector unit applies it: multiply, then shift right with rounding."""

    multiplier: int
    """16-bit word, ``2**14`` to ``2**15 - 1``."""
    shift: int
    """Bits dropped from the product, 0 to 30."""


def learning_rate(lr: float, batch: int, formats: TrainFormats) -> Rate:
    """``lr / batch`` together with the change of format from error to update.

    The factor ``lr / batch * 2**(update fraction - error fraction)`` becomes the nearest
    ``multiplier * 2**-shift`` with a multiplier of 15 significant bits.

    Raises
    ------
    ValueError
        If the rate is not positive and finite, the batch is not positive, or the factor cannot be
        expressed.
    """
    if not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"Learning rate must be positive and finite, not {lr!r}")
    if batch < 1:
        raise ValueError(f"Batch must be a positive integer, not {batch!r}")
    factor = math.ldexp(lr / batch, formats.update.fraction - formats.error.fraction)
    mantissa, exponent = math.frexp(factor)
    multiplier = round(math.ldexp(mantissa, 15))
    if multiplier == 1 << 15:
        multiplier, exponent = 1 << 14, exponent + 1
    shift = 15 - exponent
    if not 0 <= shift <= 30:
        raise ValueError(
            f"Learning rate over batch must scale the error by a factor in the range "
            f"[2**-16, 2**15), not {factor!r}"
        )
    return Rate(multiplier, shift)


def scale_error(e: Any, rate: Rate, formats: TrainFormats) -> Ints:
    """The column operand of an OPA: ``saturate(round_shift(-e * multiplier, shift))``.

    Parameters
    ----------
    e : array_like of int, any shape
        Error words.
    rate : Rate
    formats : TrainFormats

    Returns
    -------
    ndarray of int64, shape of ``e``
        Update words.
    """
    errors = np.ascontiguousarray(e, np.int64)
    scaled = np.empty_like(errors)
    high = formats.update.high
    _scale(errors.reshape(-1), rate.multiplier, rate.shift, high, scaled.reshape(-1))
    return scaled


@njit(cache=True)
def _scale(e: Ints, multiplier: int, shift: int, high: int, scaled: Ints) -> None:
    half = (1 << shift) >> 1
    for i in range(e.size):
        scaled[i] = min(max((half - e[i] * multiplier) >> shift, -high - 1), high)


def backward(back: Ints, fed: Ints, rate: Rate, formats: TrainFormats) -> tuple[Ints, Ints]:
    """The error behind a ReLU and its :func:`scale_error`, of a batch in one pass.

    Parameters
    ----------
    back : ndarray of int64, shape (examples, units + 1)
        What an MTVM yields, the bias row's entry last.
    fed : ndarray of int64, shape (examples, units + 1)
        What the ReLU yielded, the bias word last.
    rate : Rate
    formats : TrainFormats

    Returns
    -------
    errors, updates : ndarray of int64, shape (examples, units)
        ``relu_backward(back, fed)`` without the bias row, and the update words.
    """
    high = formats.update.high
    errors, updates = _backward(back, fed, rate.multiplier, rate.shift, high)
    return errors, updates


@njit(cache=True)
def _backward(back: Ints, fed: Ints, multiplier: int, shift: int, high: int) -> tuple[Ints, Ints]:
    examples, units = back.shape[0], back.shape[1] - 1
    errors = np.empty((examples, units), np.int64)
    updates = np.empty((examples, units), np.int64)
    for b in range(examples):
        for i in range(units):
            errors[b, i] = back[b, i] if fed[b, i] > 0 else 0
        _scale(errors[b], multiplier, shift, high, updates[b])
    return errors, updates
