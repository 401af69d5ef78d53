"""Where the program goes on: the program counter and the hardware loops."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.system.compiled import compiled
from panther.arch.core import LOOP_DEPTH


class Fetch(NamedTuple):
    """Address of the instruction in hand, and the loops around it, outermost first.

    Loops cost no cycle: several of them may end or go back after one instruction.
    """

    pc: NDArray[np.int64]
    """One number."""
    depth: NDArray[np.int64]
    """One number: loops in use."""
    loops: NDArray[np.int64]
    """Shape (LOOP_DEPTH, 3): start, end, passes left after this one."""


def make_fetch() -> Fetch:
    """No loop, at address 0."""
    return Fetch(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros((LOOP_DEPTH, 3), np.int64))


@compiled
def enter(fetch, start, end, count):  # type: ignore[no-untyped-def]
    """Begin a loop of ``count`` passes, at least one; whether there was room for it."""
    depth = fetch.depth[0]
    if depth == LOOP_DEPTH:
        return False
    loop = fetch.loops[depth]
    loop[0] = start
    loop[1] = end
    loop[2] = count - 1
    fetch.depth[0] = depth + 1
    return True


@compiled
def go_on(fetch, following):  # type: ignore[no-untyped-def]
    """Go to ``following``, the address behind what has been done, or back to a loop's start."""
    depth = fetch.depth[0]
    while depth:
        loop = fetch.loops[depth - 1]
        if loop[1] != following:
            break
        if loop[2]:
            loop[2] -= 1
            following = loop[0]
            break
        depth -= 1
    fetch.depth[0] = depth
    fetch.pc[0] = following


@compiled
def jump(fetch, target):  # type: ignore[no-untyped-def]
    """Go to ``target`` and end the loops that it leaves."""
    depth = fetch.depth[0]
    while depth:
        loop = fetch.loops[depth - 1]
        if loop[0] <= target < loop[1]:
            break
        depth -= 1
    fetch.depth[0] = depth
    fetch.pc[0] = target
