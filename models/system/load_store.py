"""The load and store unit: words between the register file and the memory, group by group."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.system.instruction_memory import Column, Do
from models.system.memory import NEVER, Memory, request
from models.system.register_file import packed, write_group
from models.system.trace import Event, record
from panther.arch.core import LANES, CoreParams, Fault, MemoryOp


class LoadStore(NamedTuple):
    """One request a cycle, in order; a load's answer comes a fixed time after it was taken.

    The transactions give the cycle of their last event. If the memory lets a request wait for more
    than ``patience`` cycles in all, they give the complement of the cycle in which that is so.
    """

    memory: Memory
    settings: NDArray[np.int64]
    """Number of this core among the readers, cycles from a load to its answer."""


def make_load_store(params: CoreParams, memory: Memory, reader: int) -> LoadStore:
    """The port of core ``reader`` to a memory."""
    return LoadStore(memory, np.array([reader, params.memory_cycles], np.int64))


@njit(cache=True)
def fault(row, first, size):  # type: ignore[no-untyped-def]
    """What is wrong with a transfer from word ``first`` on, in a memory of ``size`` words."""
    do = row[Column.DO]
    stride = row[Column.STRIDE]
    rows = row[Column.ROWS]
    if first < 0 or first + (rows - 1) * stride + row[Column.LENGTH] > size:
        return np.int64(Fault.MEMORY)
    synchronised = do == Do.RELEASE or (do == Do.LOAD) == (row[Column.FLAG] != 0)
    if synchronised and (first % LANES or (rows > 1 and stride % LANES)):
        return np.int64(Fault.ALIGNMENT)
    return np.int64(Fault.NONE)


@njit(cache=True, inline="always")
def _offer(memory, reader, op, group, mask, flag, readers, data, trace, now):  # type: ignore[no-untyped-def]
    take = flag if op == MemoryOp.LOAD else 0
    plain = flag if op == MemoryOp.STORE else 0
    taken = request(memory, op, group, mask, take, plain, readers, data, reader, now)
    if taken != NEVER:
        record(trace, Event.REQUEST, taken, op, group, mask, take, plain, readers, data)
    return taken


@njit(cache=True)
def load(unit, registers, d, first, length, rows, stride, take, patience, trace, now):  # type: ignore[no-untyped-def]
    """Load ``rows`` times ``length`` words; the first request is offered in cycle ``now``."""
    memory = unit.memory
    reader = unit.settings[0]
    latency = unit.settings[1]
    answer = now
    for row in range(rows):
        address = first + row * stride
        end = address + length
        while address < end:
            lane = address % LANES
            count = min(LANES - lane, end - address)
            group = address // LANES
            mask = ((1 << count) - 1) << lane
            taken = _offer(memory, reader, MemoryOp.LOAD, group, mask, take, 0, 0, trace, now)
            if taken - now > patience:
                return ~(now + patience)
            patience -= taken - now
            now = taken + 1
            answer = taken + latency
            data = memory.groups[group]
            write_group(registers, d, count, lane, data, trace, answer)
            d += count
            address += count
    return answer


@njit(cache=True)
def store(unit, registers, a, first, length, plain, readers, patience, trace, now):  # type: ignore[no-untyped-def]
    """Store ``length`` words; the first request is offered in cycle ``now``."""
    memory = unit.memory
    reader = unit.settings[0]
    address = first
    end = first + length
    while address < end:
        lane = address % LANES
        count = min(LANES - lane, end - address)
        mask = ((1 << count) - 1) << lane
        data = packed(registers, a, count, lane)
        group = address // LANES
        taken = _offer(
            memory, reader, MemoryOp.STORE, group, mask, plain, readers, data, trace, now
        )
        if taken - now > patience:
            return ~(now + patience)
        patience -= taken - now
        now = taken + 1
        a += count
        address += count
    return now - 1


@njit(cache=True)
def release(unit, first, length, patience, trace, now):  # type: ignore[no-untyped-def]
    """Make words free; the first request is offered in cycle ``now``."""
    memory = unit.memory
    reader = unit.settings[0]
    address = first
    end = first + length
    while address < end:
        count = min(LANES, end - address)
        mask = (1 << count) - 1
        group = address // LANES
        taken = _offer(memory, reader, MemoryOp.RELEASE, group, mask, 0, 0, 0, trace, now)
        if taken - now > patience:
            return ~(now + patience)
        patience -= taken - now
        now = taken + 1
        address += LANES
    return now - 1
