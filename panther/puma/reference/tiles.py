"""A tile of the reference: its own program, its cores' requests, and its memory.

In every cycle the tile's own program takes a step, then its cores, then its memory, which serves
one core every two cycles. A request it cannot serve it refuses, and looks at it again two cycles
later; cycles in which nothing else happens may be left out, and are made up for in the next one.
"""

from collections import Counter, deque
from dataclasses import dataclass
from math import gcd

from panther.puma.masks import INPUT_TILE
from panther.puma.reference.cores import FIRST_CYCLE, CoreWork, Latencies, Request, core_work
from panther.puma.reference.quirks import Quirks
from panther.puma.text import MEMORY_WORDS, SEQUENCER, Instruction, PumaError, PumaProgram

MEMORY_CYCLES = 2
"""For which a tile's memory is taken by a row of a core."""
AFTER_LOAD, AFTER_STORE = 3, 2
"""Cycles from the one a row is served in to the core's next instruction or row."""
TURNS = 8
"""Cores that a memory looks at, one after the other, before it gives up; one may be looked at
several times."""
PATIENCE = 99_997
"""Cycles a load waits at most: after 100,000 the reference goes on without the words."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A row on its way."""

    sent: int
    target: int
    sender: int
    width: int


class Tile:
    """One tile of a run.

    Parameters
    ----------
    program
        The program of all tiles.
    number
        Which of them it is; the words that tile 0 sends are there from the beginning.
    latencies
        Of the matrix units.
    quirks
        What of the reference's is kept.
    """

    def __init__(
        self, program: PumaProgram, number: int, latencies: Latencies, quirks: Quirks
    ) -> None:
        self.quirks = quirks
        self.lines = program.units[number, SEQUENCER]
        self.cores = [core_work(program, (number, core), latencies, quirks)
                      for core in range(program.cores)]  # fmt: skip
        self.counts: Counter[str] = sum((core.counts for core in self.cores), Counter[str]())
        self.counts["tile_instruction_memory.fetch"] = len(self.lines)
        self.halted: int | None = None
        """The cycle, once it has."""
        self.outgoing: deque[Message] = deque()
        """Rows that have been sent and have not arrived, the oldest first."""
        self.arrived: dict[int, int] = {}
        """Width of the row that has come from a sender."""
        self.times = [0] * program.cores
        """When each core asks for its next row, or has asked for it; or halts."""
        self.may_be_served = False
        """If there are requests that have not been refused since the memory has changed."""
        self._next = [0] * program.cores  # request of each core
        self._pending: dict[int, Request] = {}
        self._readers = [0] * MEMORY_WORDS
        """Of each word; it is valid as long as there are any."""
        self._free = 0  # cycle in which the memory can look at requests again
        self._served = -1  # core it has looked at last
        self._at = 0  # line of the tile's own program, and row of it
        self._row = 0
        self._second = False  # in the second cycle of a row
        self._received: int | None = None  # width of a row taken from those that have arrived
        for core in range(program.cores):
            self._go_on(core, FIRST_CYCLE)
        if number == INPUT_TILE:
            self._store_inputs()

    def step(self, now: int) -> bool:
        """Take the step of a cycle.

        Returns
        -------
        bool
            If anything has moved, so that who has waited has to look again.

        Raises
        ------
        PumaError
            If a message is not as long as its receiver says, or a load has waited too long.
        """
        # in the cycles that were skipped the memory has refused what it had refused before
        self._refuse(now)
        moved = self._sequence(now)
        for core, time in enumerate(self.times):
            if time == now:
                moved = True
                if self._next[core] < len(self.cores[core].requests):
                    self._pending[core] = self.cores[core].requests[self._next[core]]
        if moved:
            self.may_be_served = bool(self._pending)
        if self._pending and self._free <= now and self.may_be_served:
            moved |= self._serve(now)
        return moved

    def waiting(self) -> list[str]:
        """Places in the text that do not go on, ``file:line``."""
        if self.halted is not None:
            return []
        lines = [request.where for request in self._pending.values()]
        if self._at < len(self.lines) - 1:
            lines.append(self.lines[self._at].where)
        return lines

    def _sequence(self, now: int) -> bool:
        """The tile's program; a row takes a cycle to look and, if all is well, one to do it."""
        line = self.lines[self._at]
        if line.name == "halt":
            ended = all(
                time < now and self._next[core] == len(self.cores[core].requests)
                for core, time in enumerate(self.times)
            )
            if ended and not self.outgoing:
                self.halted = now
                return True
            return False
        receives = line.name == "receive"
        width = line.length // line.operands["vec"]
        first = line.operands["mem_addr"] + self._row * width
        moved = False
        if receives and self._received is None:
            self._received = self.arrived.pop(line.operands["vtile_id"], None)
            if self._received is None:
                return False
            if self._received != width:
                raise PumaError(f"{line.where}: row must have {width} words, not {self._received}")
            self.counts["receive_buffer.access"] += 1
            moved = True
        words = self._readers[first : first + width]
        if any(words) if receives else not all(words):
            return moved
        if self._second:
            self._move(line, first, width, now)
        self._second = not self._second
        return True

    def _move(self, line: Instruction, first: int, width: int, now: int) -> None:
        """Send or receive a row."""
        operands = line.operands
        if line.name == "send":
            self._read(first, width)
            self.outgoing.append(
                Message(
                    sent=now, target=operands["target_addr"], sender=operands["vtile_id"],
                    width=width,
                )
            )  # fmt: skip
        else:
            self._write(first, width, operands["counter"])
            self._received = None
        self._count_row()
        if not self.quirks.sends_pass_controller:
            self.counts["tile_memory_controller.access"] += 1
            self.counts["counter_buffer.access"] += 1
        self._row += 1
        if self._row == operands["vec"]:
            self._row = 0
            self._at += 1

    def _serve(self, now: int) -> bool:
        """Serve a core's row, the next one's after the core served last; False if none can be."""
        order = sorted(self._pending, key=lambda core: (core <= self._served, core))
        for core in order[:TURNS]:
            request = self._pending[core]
            if bool(self._readers[request.address]) is request.load:
                break
        else:
            self.may_be_served = False
            self._free = now
            self._refuse(now + 1)
            return False
        self._served = core
        self._free = now + MEMORY_CYCLES
        if request.load:
            waited = now - self.times[core]
            if waited > PATIENCE and self.quirks.loads_give_up:
                raise PumaError(
                    f"{request.where}: load must wait for at most {PATIENCE} cycles, not {waited}: "
                    "the reference goes on without its words"
                )
            self._read(request.address, request.width)
        else:
            self._write(request.address, request.width, request.counter)
        self._count_row()
        self.counts["tile_memory_controller.access"] += 1
        self.counts["counter_buffer.access"] += 1
        del self._pending[core]
        self._next[core] += 1
        self._go_on(core, now + (AFTER_LOAD if request.load else AFTER_STORE))
        self.may_be_served = bool(self._pending)
        return True

    def _refuse(self, end: int) -> None:
        """Refuse all requests again and again in the cycles before ``end``."""
        if (
            self.may_be_served or not self._pending or self._free >= end
            or not self.quirks.refused_requests_take_turns
        ):  # fmt: skip
            return
        times = -(-(end - self._free) // MEMORY_CYCLES)
        self._free += times * MEMORY_CYCLES
        order = sorted(self._pending, key=lambda core: (core <= self._served, core))
        # the turn goes on by TURNS cores each time, and the last of them is the one refused
        self._served = order[(times * TURNS - 1) % len(order)]
        self.counts["tile_memory_controller.access"] += times
        if self.quirks.refused_loads_read:
            period = len(order) // gcd(len(order), TURNS)
            for n in range(min(times, period)):
                if self._pending[order[((n + 1) * TURNS - 1) % len(order)]].load:
                    self._count_row(-(-(times - n) // period))

    def _go_on(self, core: int, time: int) -> None:
        """A core computes from a cycle on, until it asks for a row or halts."""
        work: CoreWork = self.cores[core]
        if self._next[core] == len(work.requests):
            self.times[core] = time + work.tail
            return
        request = work.requests[self._next[core]]
        # a store reads its registers before it asks
        self.times[core] = time + request.gap + (not request.load)

    def _store_inputs(self) -> None:
        """The host stores what is sent and has not come from anybody."""
        words: dict[str, Counter[int]] = {"send": Counter(), "receive": Counter()}
        for line in self.lines[:-1]:
            first = line.operands["mem_addr"]
            words[line.name].update(range(first, first + line.length))
        for word, readers in words["send"].items():
            if word not in words["receive"]:
                self._readers[word] = readers

    def _count_row(self, rows: int = 1) -> None:
        accesses = rows if self.quirks.one_memory_cycle else rows * MEMORY_CYCLES
        self.counts["tile_memory.access"] += accesses
        self.counts["tile_bus.access"] += accesses

    def _read(self, first: int, width: int) -> None:
        for word in range(first, first + width):
            self._readers[word] = max(0, self._readers[word] - 1)

    def _write(self, first: int, width: int, counter: int) -> None:
        self._readers[first : first + width] = [counter] * width
