"""Driver of the bench's console: holds a core, steps it, has it carry out instructions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cocotb.triggers import ValueChange
from numpy.typing import NDArray

from cocotb_tests.analog_bridge import Memory
from panther.arch.core import Fault

HOLD, RELEASE, STEP, EXECUTE = 1, 2, 3, 4
HARMLESS = 8
"""Instructions the console keeps to carry out at random."""


@dataclass(frozen=True)
class Executed:
    """What came of an instruction of the host."""

    fault: Fault
    scalar: int
    """What was last written to a scalar register, signed."""
    cycles: int
    """From order to end: that of the instruction and a constant."""


class Console:
    """The console of one core; made after :func:`cocotb_tests.host.reset`.

    Parameters
    ----------
    core
        Handle of the core in the bench.
    """

    def __init__(self, core: Any) -> None:
        console = core.console
        self._done = ValueChange(console.done_toggle)
        self._order = Memory(console, "order")
        self._word = Memory(console, "word", width=2)
        self._pauses = Memory(console, "pauses")
        self._harmless = Memory(console, "harmless", width=2, count=HARMLESS)
        self._result = Memory(console, "result", count=3)
        self._counts = Memory(console, "counts", count=4)
        self._status = Memory(console, "status")

    async def _do(self, order: int) -> None:
        self._order.write(np.array([[order]]))
        await self._done

    async def hold(self) -> None:
        """Hold the core, and wait until it is held or has stopped."""
        await self._do(HOLD)

    async def release(self) -> None:
        """Let it go on."""
        await self._do(RELEASE)

    async def step(self) -> None:
        """One instruction."""
        await self._do(STEP)

    async def execute(self, word: int) -> Executed:
        """Have an instruction carried out, as soon as the core does not run."""
        self._word.write(_halves([word]))
        await self._do(EXECUTE)
        fault, scalar, cycles = (int(item) for item in self._result.read()[:, 0])
        return Executed(Fault(fault), scalar - (scalar >> 31 << 32), cycles)

    def pause(self, *, hold: int, release: int, step: int, execute: int) -> None:
        """Do all that at random, with chances in 256 a cycle; all 0 for nothing more."""
        self._pauses.write(np.array([[hold | release << 8 | step << 16 | execute << 24]]))

    def offer(self, words: Sequence[int]) -> None:
        """What to carry out at random."""
        self._harmless.write(_halves(words))

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """How often it was held and stepped at random, carried out an instruction; and the cycles
        in which an instruction waited for matrix units.
        """
        held, stepped, executed, waits = (int(item) for item in self._counts.read()[:, 0])
        return held, stepped, executed, waits

    @property
    def running(self) -> bool:
        return bool(self._status.read()[0, 0] & 1)

    @property
    def held(self) -> bool:
        return bool(self._status.read()[0, 0] & 2)

    @property
    def pc(self) -> int:
        return int(self._status.read()[0, 0]) >> 2


def _halves(words: Sequence[int]) -> NDArray[np.uint32]:
    return np.array([[word & 0xFFFFFFFF, word >> 32] for word in words], np.uint32)
