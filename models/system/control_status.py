"""Control and status registers: what the core counts and what it can be told."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system import mcu
from models.system.compiled import compiled
from panther.arch.core import (
    CSR_CONFIG,
    CSR_COUNTERS,
    CSR_COUNTERS_STRIDE,
    WATCHDOG_DEFAULT,
    Csr,
)


class Register(IntEnum):
    """Numbers of the core itself; vector unit and matrix units keep their own."""

    CYCLE = 0
    """In which the next instruction is decoded, or in which the core stopped."""
    RETIRED = 1
    FAULT = 2
    WATCHDOG = 3


class ControlStatus(NamedTuple):
    """Read and written in the X cycle of an instruction."""

    values: NDArray[np.int64]
    """By :class:`Register`."""


def make_control_status() -> ControlStatus:
    """As after a reset."""
    unit = ControlStatus(np.zeros(len(Register), np.int64))
    unit.values[Register.WATCHDOG] = WATCHDOG_DEFAULT
    return unit


def clear(unit: ControlStatus) -> None:
    """Cycle 0, nothing retired, no fault."""
    unit.values[[Register.CYCLE, Register.RETIRED, Register.FAULT]] = 0


@compiled
def read(unit, vector_unit, mcus, key, now):  # type: ignore[no-untyped-def]
    """A register that exists, unsigned, in cycle ``now``."""
    if key >= CSR_COUNTERS:
        m, n = divmod(key - CSR_COUNTERS, CSR_COUNTERS_STRIDE)
        if n >= CSR_CONFIG:
            value = mcus.config[m, n - CSR_CONFIG]
        else:
            value = np.int64(mcu.counter(mcus, m, n))
    elif key == Csr.ROUNDING:
        value = vector_unit.rounding[0]
    elif key == Csr.SEED:
        value = vector_unit.seed[0]
    elif key == Csr.WATCHDOG:
        value = unit.values[Register.WATCHDOG]
    elif key == Csr.CYCLE:
        value = now
    elif key == Csr.RETIRED:
        value = unit.values[Register.RETIRED]
    else:
        value = vector_unit.saturated[0]
    return value & 0xFFFFFFFF


@compiled
def write(unit, vector_unit, key, value):  # type: ignore[no-untyped-def]
    """Set a register that may be written to a value it may have."""
    if key == Csr.ROUNDING:
        vector_unit.rounding[0] = value
    elif key == Csr.SEED:
        vector_unit.seed[0] = value
    elif key == Csr.WATCHDOG:
        unit.values[Register.WATCHDOG] = value
    else:
        vector_unit.saturated[0] = value
