"""Who gives the matrix units their operations, and who waits for them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.analog.array import Array
from models.system import mcu
from models.system.compiled import compiled
from models.system.instruction_memory import OPERATION_BITS, Column
from models.system.trace import Event, Trace, record
from panther.arch.mcu import InBank, Operation, OutBank

_IN_BANKS, _OUT_BANKS = len(InBank), len(OutBank)


class McuIssue(NamedTuple):
    """The operations given to each unit.

    A unit does them one after the other from the next cycle on. What an instruction has to wait for
    is known as soon as they are given.
    """

    issued: NDArray[np.int64]
    """How many since the start."""
    outside: NDArray[np.int64]
    """Those that compiled code cannot start, four bits."""


def make_mcu_issue(mcus: int) -> McuIssue:
    """Nothing given to so many units."""
    return McuIssue(np.zeros(mcus, np.int64), np.zeros(mcus, np.int64))


@compiled
def free(mcus, row, now):  # type: ignore[no-untyped-def]
    """The cycle, ``now`` at the earliest, in which no unit keeps an instruction waiting."""
    bank = row[Column.XBAR_IN]
    if bank >= 0:
        now = max(now, mcus.in_free[bank // _IN_BANKS, bank % _IN_BANKS])
    bank = row[Column.XBAR_OUT_A]
    if bank >= 0:
        now = max(now, mcus.out_free[bank // _OUT_BANKS, bank % _OUT_BANKS])
    bank = row[Column.XBAR_OUT_B]
    if bank >= 0:
        now = max(now, mcus.out_free[bank // _OUT_BANKS, bank % _OUT_BANKS])
    units = row[Column.UNITS]
    if units:
        for m in range(mcus.free.shape[0]):
            if units >> m & 1:
                now = max(now, mcus.free[m])
    return now


@compiled
def issue(unit, mcus, operations, trace, now):  # type: ignore[no-untyped-def]
    """Give idle units their operations in cycle ``now``; whether compiled code could not."""
    outside = False
    for m in range(unit.issued.shape[0]):
        bits = operations >> (OPERATION_BITS * m) & ((1 << OPERATION_BITS) - 1)
        if bits:
            for operation in range(OPERATION_BITS):
                unit.issued[m] += bits >> operation & 1
            if mcus.compiled[m]:
                mcu.start(mcus, m, bits, now)
                _record(mcus, m, bits, trace, now)
            else:
                unit.outside[m] = bits
                outside = True
    return outside


def issue_outside(
    unit: McuIssue, mcus: mcu.Mcus, arrays: tuple[Array, ...], trace: Trace, now: int
) -> None:
    """Start what compiled code could not start in cycle ``now``."""
    for m, bits in enumerate(unit.outside.tolist()):
        if bits:
            mcu.start_external(mcus, m, bits, now, arrays[m])
            _record(mcus, m, bits, trace, now)
    unit.outside[:] = 0


@compiled
def _record(mcus, m, bits, trace, now):  # type: ignore[no-untyped-def]
    """Record operations just started: each is handed over when the one before is done."""
    if trace.rows.shape[0]:
        handed = now + 1
        for operation in range(OPERATION_BITS):
            if bits >> operation & 1:
                if operation == Operation.CRS:
                    done = mcus.free[m]
                elif operation == Operation.OPA:
                    done = mcus.in_free[m, InBank.OPA_ROWS]
                else:  # MVM and MTVM have the numbers of their banks
                    done = mcus.in_free[m, operation]
                record(trace, Event.OPERATION, now, m, operation, handed, done)
                handed = done
