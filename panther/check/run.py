"""The abstract run: control exactly, memory and queues by their state, no data.

Every unit goes on until it has to wait. If no access has a race the order in which they do so
changes nothing, so one run stands for all.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from panther.arch.core import GENERAL_BASE, LANES, LOOP_DEPTH, SCALARS
from panther.arch.isa import Condition, ScalarFunction
from panther.arch.node import NodeParams
from panther.arch.tile import BANKS, ROW_WORDS, SEND_READER, SEQUENCER
from panther.asm import unit_name
from panther.check.memory import Actor, Clock, Event, Segment, TileMemory, merge
from panther.check.report import Places, Problem, Unit
from panther.check.steps import Do, Step

MAX_PROBLEMS = 20
"""Problems after which a run gives up."""


class Program(Actor):
    """A core, or a sequencer, and how far its program has come."""

    def __init__(self, unit: Unit, tid: int, size: int, steps: Sequence[Step]) -> None:
        super().__init__(unit_name(*unit), unit, tid, size)
        self.steps = steps
        self.scalars: list[int | None] = [0] * SCALARS
        """None is what depends on data."""
        self.loops: list[list[int]] = []
        """Start, end, passes left after this one."""
        self.registers: dict[int, int] = {}
        """Words of the register file that are known."""
        self.count = 0
        """Instructions retired."""
        self.halted = False
        self.stopped = False
        """By a fault, or because its control depends on data."""
        self.place = (0, -1)
        """Row and group at which the transfer in hand goes on; -1 if it has not begun."""


class World(Protocol):
    """What programs act on. What cannot be done yet gives False."""

    limit: int
    """Instructions that may be carried out, all programs together."""
    count: int

    def transfer(self, program: Program, step: Step, address: int) -> bool:
        """Carry out a load, store or release, in range, from ``address`` on."""

    def message(self, program: Program, step: Step, address: int) -> bool:
        """Hand over a message to send or to receive."""

    def may_halt(self, program: Program) -> bool:
        """Whether its units are idle."""

    def stop(self, program: Program, kind: str, text: str) -> None:
        """A program cannot go on."""


def _wrapped(value: int) -> int:
    return (value + (1 << 31) & 0xFFFFFFFF) - (1 << 31)


def _computed(function: ScalarFunction, a: int, b: int) -> int:
    """What the scalar unit gives."""
    match function:
        case ScalarFunction.ADD:
            value = a + b
        case ScalarFunction.SUB:
            value = a - b
        case ScalarFunction.MUL:
            value = a * b
        case ScalarFunction.AND:
            value = a & b
        case ScalarFunction.OR:
            value = a | b
        case ScalarFunction.XOR:
            value = a ^ b
        case ScalarFunction.SHL:
            value = a << (b & 31)
        case ScalarFunction.SHR:
            value = (a & 0xFFFFFFFF) >> (b & 31)
        case ScalarFunction.SRA:
            value = a >> (b & 31)
        case ScalarFunction.SLT:
            value = int(a < b)
    return _wrapped(value)


def _holds(condition: Condition, a: int, b: int) -> bool:
    match condition:
        case Condition.EQ:
            return a == b
        case Condition.NE:
            return a != b
        case Condition.LT:
            return a < b
        case Condition.GE:
            return a >= b


def forget(registers: dict[int, int], low: int, end: int) -> None:
    """Registers are written: nothing is known of them any more."""
    for address in [address for address in registers if low <= address < end]:
        del registers[address]


def advance(program: Program, world: World, words: int) -> None:
    """Carry out a program, in a memory of so many words, until it waits, halts or stops."""
    steps, scalars, loops = program.steps, program.scalars, program.loops
    registers = program.registers
    pc = program.pc
    count, most = 0, world.limit - world.count
    while count < most:
        if pc >= len(steps):
            program.pc = pc
            world.stop(program, "fault", "the program runs past its end without hlt")
            break
        step = steps[pc]
        do = step[0]
        following = pc + 1
        if do == Do.SKIP:
            _, following, skipped, written = step
            count += skipped - 1
            if registers:
                for low, end in written:
                    forget(registers, low, end)
        elif do == Do.ADD:
            _, sd, sa, number = step
            a = scalars[sa]
            if sd:
                scalars[sd] = None if a is None else _wrapped(a + number)
        elif Do.LOAD <= do <= Do.RECEIVE:
            program.pc = pc
            base = scalars[step[1]]
            if base is None:
                world.stop(program, "data-dependent", f"the address in s{step[1]} depends on data")
                break
            address = base + step[2]
            span = step[3] + ((step[4] - 1) * step[5] if do == Do.LOAD else 0)
            if address < 0 or address + span > words:
                text = f"words {address} to {address + span - 1} are not all in the memory"
                world.stop(program, "fault", f"{text} of {words}")
                break
            synchronised = step[6] if do == Do.LOAD else not step[4] if do == Do.STORE else True
            odd = do == Do.LOAD and step[4] > 1 and step[5] % LANES
            if synchronised and (address % LANES or odd):
                text = f"a synchronised access must begin at a group of four, not at {address}"
                world.stop(program, "fault", text if address % LANES else f"{text} + {step[5]}")
                break
            act = world.transfer if do < Do.SEND else world.message
            if not act(program, step, address):
                break
        elif do == Do.BRANCH:
            _, condition, sa, sb, target = step
            a, b = scalars[sa], scalars[sb]
            if a is None or b is None:
                program.pc = pc
                world.stop(program, "data-dependent", "the branch depends on data")
                break
            if _holds(condition, a, b):
                count += 1
                pc = _jumped(loops, target)
                continue
        elif do == Do.LOOP:
            _, times, sb, end = step
            passes = scalars[sb] if sb else times
            if passes is None:
                program.pc = pc
                world.stop(program, "data-dependent", f"the count in s{sb} depends on data")
                break
            if passes <= 0:
                following = end
            elif len(loops) == LOOP_DEPTH:
                program.pc = pc
                world.stop(program, "fault", f"more than {LOOP_DEPTH} loops are nested")
                break
            else:
                loops.append([following, end, passes - 1])
        elif do == Do.SET:
            if step[1]:
                scalars[step[1]] = step[2]
        elif do == Do.ALU:
            _, function, sd, sa, sb = step
            a, b = scalars[sa], scalars[sb]
            if sd:
                scalars[sd] = None if a is None or b is None else _computed(function, a, b)
        elif do == Do.REDUCE:
            _, maximum, sd, first, length = step
            found = [registers.get(first + n) for n in range(length)] if registers else [None]
            values = [value for value in found if value is not None]
            if sd:
                known = len(values) == length
                scalars[sd] = (max(values) if maximum else sum(values)) if known else None
        elif do == Do.JUMP:
            count += 1
            pc = _jumped(loops, step[1])
            continue
        elif do == Do.FORGET:
            if step[1]:
                scalars[step[1]] = None
        elif do == Do.HALT:
            program.pc = pc
            program.halted = world.may_halt(program)
            count += program.halted
            break
        else:
            program.pc = pc
            world.stop(program, "fault", step[1])
            break
        count += 1
        while loops and loops[-1][1] == following:
            if loops[-1][2]:
                loops[-1][2] -= 1
                following = loops[-1][0]
                break
            loops.pop()
        pc = following
        program.pc = pc
    program.count += count
    world.count += count


def _jumped(loops: list[list[int]], target: int) -> int:
    """Leave the loops that do not contain the target."""
    while loops and not loops[-1][0] <= target < loops[-1][1]:
        loops.pop()
    return target


def _pieces(memory: TileMemory, groups: Iterable[tuple[int, int]]) -> Iterator[Segment]:
    """The segments of these groups, each from a first one up to an end."""
    for first, end in groups:
        while first < end:
            segment = memory.segment(first, end)
            yield segment
            first = segment.end


@dataclass(kw_only=True)
class Row:
    """A row in a queue."""

    known: Clock
    words: int
    """Of its message."""
    unit: Unit
    """Who sent it."""
    pc: int


class Queue:
    """A receive queue."""

    def __init__(self) -> None:
        self.rows: deque[Row] = deque()
        self.owner: Sender | None = None
        self.receiver: Receiver | None = None
        """Who waits for a row."""


class Background(Actor):
    """A unit that carries out one message at a time while its sequencer goes on."""

    def __init__(self, name: str, sequencer: Unit, tid: int, size: int) -> None:
        super().__init__(name, sequencer, tid, size)
        self.busy = False
        self.group = 0
        """First group of the next row to begin."""
        self.left = 0
        """Words of rows not yet begun."""
        self.words = 0
        """Of the message."""
        self.fifo = 0
        self.pending: list[tuple[int, int]] = []
        """Groups of the row in hand that have not been accessed."""
        self.after: Clock = []
        """What it knows when all of the row has been."""

    def begin(self, program: Program, words: int, group: int) -> None:
        """Take over a message."""
        merge(program.clock, self.clock)
        merge(self.clock, program.clock)
        self.busy = True
        self.pc = program.pc
        self.words = self.left = words
        self.group = group

    def begin_row(self) -> None:
        """Begin the next row."""
        groups = -(-min(self.left, ROW_WORDS) // LANES)
        self.left -= min(self.left, ROW_WORDS)
        self.row = self.group
        self.time += 1
        self.after = self.clock.copy()
        self.pending = [(self.group, self.group + groups)]
        self.group += BANKS


class Sender(Background):
    """A send unit."""

    tile = 0
    rows: deque[Row]
    """Taken and not sent."""


class Receiver(Background):
    """A receive unit."""

    readers = 0
    low = 0
    """First word of the message."""


class NodeRun:
    """All programs of a node, carried out together.

    Parameters
    ----------
    params
        The node.
    steps
        Each unit's program.
    places
        Names of instructions, for problems.
    limit
        Instructions after which to give up, all programs together.
    """

    def __init__(
        self, params: NodeParams, steps: Mapping[Unit, Sequence[Step]], places: Places, limit: int
    ) -> None:
        self.params = params
        self.limit = limit
        self.count = 0
        self.places = places
        self.problems: list[Problem] = []
        self._seen: set[tuple[object, ...]] = set()
        tiles, cores = params.tiles, params.tile.cores
        each = cores + 1 + 2 * BANKS
        size = tiles * each
        self.memories = [TileMemory(t, params.tile.groups, self._race) for t in range(tiles)]
        self.programs: dict[Unit, Program] = {}
        for tile, unit in steps:
            tid = each * tile + min(unit, cores)
            self.programs[tile, unit] = Program((tile, unit), tid, size, steps[tile, unit])
        self.senders, self.receivers = [], []
        for tile in range(tiles):
            tid = each * tile + cores + 1
            sequencer = (tile, SEQUENCER)
            self.senders.append(Sender(f"tile {tile} send unit", sequencer, tid, size))
            name = f"tile {tile} receive unit"
            self.receivers.append(Receiver(name, sequencer, tid + BANKS, size))
        self.queues = {(t, f): Queue() for t in range(tiles) for f in range(params.tile.fifos)}
        self._ready: deque[Actor] = deque(self.programs.values())

    def run(self) -> None:
        """Go on until nobody can."""
        words = self.params.tile.core.memory_words
        while self._ready and self.count < self.limit and len(self.problems) < MAX_PROBLEMS:
            actor = self._ready.popleft()
            if isinstance(actor, Program):
                if not actor.halted and not actor.stopped:
                    advance(actor, self, words)
                    if self.count >= self.limit and not actor.halted:
                        self._ready.append(actor)
            elif isinstance(actor, Sender):
                self._send(actor)
            elif isinstance(actor, Receiver):
                self._receive(actor)
            memory = self.memories[actor.unit[0]]
            if memory.woken:
                self._ready.extend(memory.woken)
                memory.woken = []

    @property
    def gave_up(self) -> Actor | None:
        """Somebody who could have gone on."""
        return next(iter(self._ready), None)

    @property
    def blocked(self) -> Iterable[Actor]:
        """Who waits."""
        for program in self.programs.values():
            if not program.halted and not program.stopped:
                yield program
        for unit in (*self.senders, *self.receivers):
            sequencer = self.programs.get(unit.unit)
            if unit.busy and sequencer is not None and not sequencer.stopped:
                yield unit

    # ---- what programs do

    def transfer(self, program: Program, step: Step, address: int) -> bool:
        """Carry out a load, store or release from where it has come to."""
        do, length = step[0], step[3]
        memory = self.memories[program.unit[0]]
        row, group = program.place
        if do == Do.LOAD:
            _, _, _, _, rows, stride, take, register = step
            bit = 1 << program.unit[1] if take else 0
        else:
            rows, stride, take, bit, register = 1, 0, 0, 0, 0
        while row < rows:
            low = address + row * stride
            words = low, low + length
            end = -(-words[1] // LANES)
            if group < 0:
                group = low // LANES
            while group < end:
                segment = memory.segment(group, end)
                if do == Do.LOAD:
                    if bit:
                        done = memory.take(program, program.clock, segment, bit)
                    else:
                        done = memory.load(program, program.clock, segment, words)
                elif do == Do.STORE:
                    done = True
                    if step[4]:
                        memory.store_plain(program, program.clock, segment, words)
                    else:
                        done = memory.store(program, program.clock, segment, step[5], words)
                else:
                    done = True
                    memory.release(program, program.clock, segment)
                if not done:
                    program.place = row, group
                    memory.wait(program, group)
                    return False
                group = segment.end
            if do == Do.LOAD:
                self._load_known(program, memory, register + row * length, low, length)
            elif do == Do.STORE:
                memory.forget(*words)
            row, group = row + 1, -1
        program.place = 0, -1
        return True

    @staticmethod
    def _load_known(
        program: Program, memory: TileMemory, register: int, low: int, length: int
    ) -> None:
        if program.registers:
            forget(program.registers, register, register + length)
        if memory.known and register >= GENERAL_BASE:
            for n in range(length):
                value = memory.known.get(low + n)
                if value is not None:
                    program.registers[register + n] = value

    def message(self, program: Program, step: Step, address: int) -> bool:
        """Hand a message to send or receive unit, if that is idle."""
        tile, words, group = program.unit[0], step[3], address // LANES
        if step[0] == Do.SEND:
            sender = self.senders[tile]
            if sender.busy:
                return False
            _, _, _, _, sender.tile, sender.fifo = step
            # whole groups are sent
            sender.begin(program, words, group)
            sender.rows = deque()
            self._ready.append(sender)
            return True
        receiver = self.receivers[tile]
        if receiver.busy:
            return False
        _, _, _, _, receiver.fifo, receiver.readers = step
        receiver.begin(program, words, group)
        receiver.low = address
        self._ready.append(receiver)
        return True

    def may_halt(self, program: Program) -> bool:
        """A sequencer waits for its units."""
        tile, unit = program.unit
        return unit != SEQUENCER or not (self.senders[tile].busy or self.receivers[tile].busy)

    def stop(self, program: Program, kind: str, text: str) -> None:
        """Report why a program cannot go on."""
        program.stopped = True
        if kind == "data-dependent":
            text = f"control must not depend on data, but {text}"
        self.report(kind, program, text)

    # ---- send and receive units

    def _send(self, sender: Sender) -> None:
        memory = self.memories[sender.unit[0]]
        queue = self.queues[sender.tile, sender.fifo]
        while sender.busy:
            moved = False
            if sender.pending:
                moved = self._take_row(sender, memory)
            if not sender.pending and sender.left and len(sender.rows) < self._ahead:
                sender.begin_row()
                moved = True
            while sender.rows and len(queue.rows) < self.params.tile.fifo_rows:
                if not self._own(queue, sender):
                    return
                queue.rows.append(sender.rows.popleft())
                moved = True
                if queue.receiver is not None:
                    self._ready.append(queue.receiver)
                    queue.receiver = None
            if not (sender.left or sender.pending or sender.rows):
                self._become_idle(sender)
            elif not moved:
                return

    @property
    def _ahead(self) -> int:
        """Rows begun and not sent."""
        return self.params.tile.send_lanes

    def _take_row(self, sender: Sender, memory: TileMemory) -> bool:
        """Take what is there of the row; whether that is anything."""
        left, moved = [], False
        for piece in _pieces(memory, sender.pending):
            clock = sender.clock.copy()
            if memory.take(sender, clock, piece, 1 << SEND_READER):
                merge(sender.after, clock)
                moved = True
            else:
                left.append((piece.first, piece.end))
                memory.wait(sender, piece.first)
        sender.pending = left
        if not left:
            sender.clock = sender.after
            known = sender.clock.copy()
            row = Row(known=known, words=sender.words, unit=sender.unit, pc=sender.pc)
            sender.rows.append(row)
        return moved

    def _own(self, queue: Queue, sender: Sender) -> bool:
        """Whether the queue is the sender's."""
        if queue.owner is None:
            queue.owner = sender
        if queue.owner is sender:
            return True
        self.report(
            "fault", sender,
            f"queue {sender.fifo} of tile {sender.tile} belongs to the {queue.owner.name}, and a "
            "queue must have one sender",
        )  # fmt: skip
        self.programs[sender.unit].stopped = True
        sender.busy = False
        return False

    def _receive(self, receiver: Receiver) -> None:
        tile = receiver.unit[0]
        memory = self.memories[tile]
        queue = self.queues[tile, receiver.fifo]
        words = receiver.low, receiver.low + receiver.words
        while receiver.busy:
            left = []
            for piece in _pieces(memory, receiver.pending):
                clock = receiver.clock.copy()
                if memory.store(receiver, clock, piece, receiver.readers, words):
                    merge(receiver.after, clock)
                else:
                    left.append((piece.first, piece.end))
                    memory.wait(receiver, piece.first)
            receiver.pending = left
            if left:
                return
            if receiver.after:
                receiver.clock, receiver.after = receiver.after, []
            if not receiver.left:
                memory.forget(*words)
                self._become_idle(receiver)
            elif queue.rows:
                row = queue.rows.popleft()
                if queue.owner is not None:
                    self._ready.append(queue.owner)
                if row.words != receiver.words:
                    self.report(
                        "fault", receiver,
                        f"receives {receiver.words} words, but the message of "
                        f"{self.places.at(row.unit, row.pc)} has {row.words}",
                    )  # fmt: skip
                    receiver.busy = False
                    self.programs[receiver.unit].stopped = True
                    return
                merge(receiver.clock, row.known)
                receiver.begin_row()
            else:
                queue.receiver = receiver
                return

    def _become_idle(self, unit: Background) -> None:
        unit.busy = False
        unit.after = []
        self._ready.append(self.programs[unit.unit])

    # ---- problems

    def report(self, kind: str, actor: Actor, text: str, *more: object) -> None:
        """Note a problem of an instruction, once."""
        key = (kind, actor.name, actor.pc, *(more or (text,)))
        if key in self._seen:
            return
        self._seen.add(key)
        who = self.places.at(actor.unit, actor.pc, actor.name)
        self.problems.append(
            Problem(kind=kind, unit=actor.unit, pc=actor.pc, text=f"{who}: {text}")
        )

    def _race(self, actor: Actor, other: Event, word: int, what: str) -> None:
        there = self.places.at(other.actor.unit, other.pc, other.actor.name)
        text = what.format(word=word, other=there)
        self.report("race", actor, text, other.actor.name, other.pc)
