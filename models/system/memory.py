"""The memory behind a core's port: groups of four words with a valid bit and a reader mask."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from panther.arch.core import LANES, MemoryOp

NEVER = (1 << 62) - 1
"""Cycle of what does not happen."""


class Memory(NamedTuple):
    """What the memory holds.

    A request is taken in the cycle it is offered if what it asks for holds (see
    :class:`~panther.arch.core.MemoryOp`); one a cycle.
    """

    groups: NDArray[np.int64]
    """Four words each, lane 0 lowest."""
    valid: NDArray[np.bool_]
    """Whether a group may be loaded."""
    readers: NDArray[np.int64]
    """Who still has to take a group: bit n core n, bit 8 the send unit."""


def make_memory(words: int) -> Memory:
    """A memory of so many words, all 0, all free."""
    groups = words // LANES
    return Memory(
        np.zeros(groups, np.int64), np.zeros(groups, np.bool_), np.zeros(groups, np.int64)
    )


def words_of(memory: Memory) -> NDArray[np.int16]:
    """The words, to read and write."""
    return memory.groups.view(np.int16)


_FIELDS = np.array(
    [sum(0xFFFF << 16 * lane for lane in range(LANES) if mask >> lane & 1) for mask in range(16)],
    np.uint64,
).view(np.int64)


@njit(cache=True, inline="always")
def request(memory, op, group, mask, take, plain, readers, data, reader, now):  # type: ignore[no-untyped-def]
    """Offer a request from cycle ``now`` on; the cycle in which it is taken, or ``NEVER``.

    ``mask`` and ``data`` are the lanes and words to store, ``reader`` is who asks. A load's answer
    is the group as it is when this returns.
    """
    if op == MemoryOp.LOAD:
        if not memory.valid[group]:
            return NEVER
        if take:
            bit = 1 << reader
            if not memory.readers[group] & bit:
                return NEVER
            memory.readers[group] ^= bit
            memory.valid[group] = memory.readers[group] != 0
    elif op == MemoryOp.STORE:
        if memory.valid[group] and not plain:
            return NEVER
        field = _FIELDS[mask]
        memory.groups[group] = (memory.groups[group] & ~field) | (data & field)
        memory.valid[group] = True
        memory.readers[group] = 0 if plain else readers
    else:
        memory.valid[group] = False
        memory.readers[group] = 0
    return now
