"""What a lockstep run compares: every visible event with its cycle."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Event(IntEnum):
    """Streams of events, one row of numbers each."""

    RETIRE = 0
    """Cycle, pc, instruction word as its low and its high 32 bits."""
    SCALAR = 1
    """Cycle, register, value as unsigned 32 bits."""
    VECTOR = 2
    """Cycle, register-file address, words, the words packed, lane 0 lowest, unused lanes 0."""
    REQUEST = 3
    """Cycle, operation, group of the memory, mask of the words it concerns, take, plain, readers,
    words packed, 0 where not stored."""
    OPERATION = 4
    """Cycle of the instruction, matrix unit, operation, cycle of its hand-over, cycle from which on
    the unit may take the next one."""


WIDTHS = {
    Event.RETIRE: 4, Event.SCALAR: 3, Event.VECTOR: 4, Event.REQUEST: 8, Event.OPERATION: 5,
}  # fmt: skip
"""Numbers in a row of each stream."""


class Trace(NamedTuple):
    """Rows recorded, in the order they were known.

    Off where it has no room at all; the core sees to it that there is room for an instruction.
    """

    used: NDArray[np.int64]
    """One number: rows in use."""
    rows: NDArray[np.int64]
    """Shape (rows, 9): the stream, then its numbers."""


def make_trace(room: int = 0) -> Trace:
    """A trace with room for so many rows."""
    return Trace(np.zeros(1, np.int64), np.zeros((room, 1 + max(WIDTHS.values())), np.int64))


def larger(trace: Trace, room: int) -> Trace:
    """The same trace with room for at least as many rows more."""
    used = trace.used[0]
    grown = make_trace(2 * used + room)
    grown.used[0] = used
    grown.rows[:used] = trace.rows[:used]
    return grown


def stream(trace: Trace, event: Event) -> NDArray[np.int64]:
    """The rows of one stream in the order of their cycles."""
    rows = trace.rows[: trace.used[0]]
    rows = rows[rows[:, 0] == event, 1 : 1 + WIDTHS[event]]
    return rows[np.argsort(rows[:, 0], kind="stable")]


@njit(cache=True, inline="always")
def record(trace, event, a, b, c=0, d=0, e=0, f=0, g=0, h=0):  # type: ignore[no-untyped-def]
    """Add a row, if the trace is on."""
    if trace.rows.shape[0]:
        row = trace.rows[trace.used[0]]
        row[0] = event
        row[1] = a
        row[2] = b
        row[3] = c
        row[4] = d
        row[5] = e
        row[6] = f
        row[7] = g
        row[8] = h
        trace.used[0] += 1
