"""The shared memory of a tile: four banks, each of which looks up one request a cycle.

Tiles lie side by side: the first axis of every array is the tile. Functions are called once in
every cycle in which somebody asks; ``docs/node.md`` says what happens in it.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system.compiled import compiled
from models.system.memory import Memory, request
from panther.arch.core import MemoryOp
from panther.arch.tile import BANKS, SEND_READER, TileParams

HOST_READ, HOST_WRITE, HOST_STATE = 3, 4, 5
"""Operations of the host, behind those of :class:`MemoryOp`; STATE sets valid to ``FLAG``."""


class Ask(IntEnum):
    """A request."""

    OP = 0
    GROUP = 1
    MASK = 2
    FLAG = 3
    """Take or plain."""
    READERS = 4
    DATA = 5


class Count(IntEnum):
    """Events, summed over the banks."""

    ACCESSES = 0
    CONFLICTS = 1
    MISSES = 2


class SharedMemory(NamedTuple):
    """Groups with their state, and who asks for which."""

    groups: NDArray[np.int64]
    """Four words each, lane 0 lowest; shape (tiles, groups)."""
    valid: NDArray[np.bool_]
    readers: NDArray[np.int64]
    asks: NDArray[np.int64]
    """Shape (tiles, requesters, banks, len(Ask))."""
    asking: NDArray[np.int64]
    """Bit r: requester r asks; shape (tiles, banks)."""
    parked: NDArray[np.int64]
    """Bit r: its group has to change first."""
    last: NDArray[np.int64]
    """Requester looked up last."""
    taken: NDArray[np.int64]
    """Requester whose request is taken in this cycle, or -1."""
    answers: NDArray[np.int64]
    """The group, if it is loaded."""
    counters: NDArray[np.int64]
    """Shape (tiles, len(Count))."""


def make_shared_memory(params: TileParams, tiles: int = 1) -> SharedMemory:
    """Memories of so many tiles, all 0, all free."""
    banks = (tiles, BANKS)
    return SharedMemory(
        groups=np.zeros((tiles, params.groups), np.int64),
        valid=np.zeros((tiles, params.groups), np.bool_),
        readers=np.zeros((tiles, params.groups), np.int64),
        asks=np.zeros((tiles, params.requesters, BANKS, len(Ask)), np.int64),
        asking=np.zeros(banks, np.int64),
        parked=np.zeros(banks, np.int64),
        last=np.full(banks, params.requesters - 1, np.int64),
        taken=np.full(banks, -1, np.int64),
        answers=np.zeros(banks, np.int64),
        counters=np.zeros((tiles, len(Count)), np.int64),
    )


def memory_of(unit: SharedMemory, tile: int) -> Memory:
    """What a tile's memory holds."""
    return Memory(unit.groups[tile], unit.valid[tile], unit.readers[tile])


@compiled
def ask(unit, tile, requester, op, group, mask, flag, readers, data):  # type: ignore[no-untyped-def]
    """Ask for a group, from this cycle on until it is taken or withdrawn."""
    bank = group % BANKS
    row = unit.asks[tile, requester, bank]
    row[Ask.OP] = op
    row[Ask.GROUP] = group
    row[Ask.MASK] = mask
    row[Ask.FLAG] = flag
    row[Ask.READERS] = readers
    row[Ask.DATA] = data
    unit.asking[tile, bank] |= 1 << requester


@compiled
def withdraw(unit, tile, requester):  # type: ignore[no-untyped-def]
    """Ask no more, from this cycle on."""
    for bank in range(BANKS):
        unit.asking[tile, bank] &= ~(1 << requester)
        unit.parked[tile, bank] &= ~(1 << requester)


@compiled
def first_asked(unit, tile, requester):  # type: ignore[no-untyped-def]
    """The lowest group it asks for; 0 if it asks for none."""
    first = unit.groups.shape[1]
    for bank in range(BANKS):
        if unit.asking[tile, bank] >> requester & 1:
            first = min(first, unit.asks[tile, requester, bank, Ask.GROUP])
    return first if first < unit.groups.shape[1] else 0


@compiled
def serve(unit, tile):  # type: ignore[no-untyped-def]
    """One cycle of all banks; whether any of them looked up a request.

    Who is taken asks no more from the next cycle on.
    """
    requesters = unit.asks.shape[1]
    everybody = (1 << requesters) - 1
    looked_up = False
    for bank in range(BANKS):
        unit.taken[tile, bank] = -1
        ready = unit.asking[tile, bank] & ~unit.parked[tile, bank]
        if not ready:
            continue
        looked_up = True
        # the first after the last one
        who = unit.last[tile, bank] + 1
        later = ready >> who << who
        if not later:
            later = ready & everybody
            who = 0
        while not later >> who & 1:
            who += 1
        unit.last[tile, bank] = who
        rest = ready & (ready - 1)
        while rest:
            unit.counters[tile, Count.CONFLICTS] += 1
            rest &= rest - 1
        if _look_up(unit, tile, bank, who):
            unit.counters[tile, Count.ACCESSES] += 1
            unit.taken[tile, bank] = who
            unit.asking[tile, bank] &= ~(1 << who)
        else:
            unit.counters[tile, Count.MISSES] += 1
            unit.parked[tile, bank] |= 1 << who
    return looked_up


@compiled
def _look_up(unit, tile, bank, who):  # type: ignore[no-untyped-def]
    """Whether the request is taken; parked ones for the same group wake up if it changes it."""
    row = unit.asks[tile, who, bank]
    group = row[Ask.GROUP]
    op = row[Ask.OP]
    flag = row[Ask.FLAG]
    memory = Memory(unit.groups[tile], unit.valid[tile], unit.readers[tile])
    if op == HOST_STATE:
        memory.valid[group] = flag != 0
        memory.readers[group] = row[Ask.READERS]
    elif op != HOST_READ:
        plain = 1 if op == HOST_WRITE else flag
        kind = MemoryOp.STORE if op == HOST_WRITE else op
        # the core with this number, or the send unit
        reader = who if who < unit.asks.shape[1] - 3 else SEND_READER
        if request(
            memory, kind, group, row[Ask.MASK], flag, plain, row[Ask.READERS], row[Ask.DATA],
            reader, 0,
        ):  # fmt: skip
            return False
    unit.answers[tile, bank] = memory.groups[group]
    if op != HOST_READ and (op != MemoryOp.LOAD or flag):
        for other in range(unit.asks.shape[1]):
            if unit.asks[tile, other, bank, Ask.GROUP] == group:
                unit.parked[tile, bank] &= ~(1 << other)
    return True
