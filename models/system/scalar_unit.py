"""The scalar registers, and what is computed of them: 32 bits, wrapping."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system.compiled import compiled
from models.system.trace import Event, record
from panther.arch.core import SCALARS
from panther.arch.isa import Condition, ScalarFunction


class ScalarUnit(NamedTuple):
    """32 registers; number 0 reads 0. Results are written in the cycle they are computed."""

    values: NDArray[np.int64]
    """As signed numbers of 32 bits."""
    last: NDArray[np.int64]
    """One number like these: what was written last, be it to register 0."""


def make_scalar_unit() -> ScalarUnit:
    """All registers 0."""
    return ScalarUnit(np.zeros(SCALARS, np.int64), np.zeros(1, np.int64))


@compiled
def wrapped(value):  # type: ignore[no-untyped-def]
    """The low 32 bits as a signed number."""
    return np.int64(np.int32(value))


@compiled
def write(unit, register, value, trace, now):  # type: ignore[no-untyped-def]
    """Write the low 32 bits in cycle ``now``."""
    unit.last[0] = wrapped(value)
    if register:
        unit.values[register] = unit.last[0]
        record(trace, Event.SCALAR, now, register, value & 0xFFFFFFFF)


@compiled
def compute(function, a, b):  # type: ignore[no-untyped-def]
    """What the function gives, not yet wrapped."""
    if function == ScalarFunction.ADD:
        return a + b
    if function == ScalarFunction.SUB:
        return a - b
    if function == ScalarFunction.MUL:
        return a * b
    if function == ScalarFunction.AND:
        return a & b
    if function == ScalarFunction.OR:
        return a | b
    if function == ScalarFunction.XOR:
        return a ^ b
    if function == ScalarFunction.SHL:
        return a << (b & 31)
    if function == ScalarFunction.SHR:
        return (a & 0xFFFFFFFF) >> (b & 31)
    if function == ScalarFunction.SRA:
        return a >> (b & 31)
    return np.int64(a < b)  # SLT


@compiled
def holds(condition, a, b):  # type: ignore[no-untyped-def]
    """Whether a branch is taken."""
    if condition == Condition.EQ:
        return a == b
    if condition == Condition.NE:
        return a != b
    if condition == Condition.LT:
        return a < b
    return a >= b  # GE
