"""Why nobody can go on: what every unit waits for, and from whom it would have to come."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from panther.arch.core import LANES
from panther.arch.tile import SEND_READER, SEQUENCER
from panther.check.memory import Actor, Segment
from panther.check.report import Problem
from panther.check.run import NodeRun, Program, Receiver, Sender, advance
from panther.check.steps import Do, Step

AHEAD = 20_000
"""Instructions looked at behind the one a program waits in."""


class Deed(NamedTuple):
    """What a unit would do if only it could go on."""

    tile: int
    first: int
    """Group, or number of a queue."""
    end: int
    what: str
    """``store``, ``take``, ``release``, ``send`` or ``receive``."""
    readers: int
    """Who has to take what is stored; who takes."""
    pc: int


@dataclass(kw_only=True)
class _Ahead:
    """A world in which nothing waits; it only notes what is done."""

    limit: int = AHEAD
    count: int = 0
    deeds: list[Deed] = field(default_factory=list)

    def transfer(self, program: Program, step: Step, address: int) -> bool:
        tile, unit = program.unit
        rows, stride = (step[4], step[5]) if step[0] == Do.LOAD else (1, 0)
        for row in range(rows):
            low = address + row * stride
            groups = low // LANES, -(-(low + step[3]) // LANES)
            if step[0] == Do.STORE:
                self.deeds.append(Deed(tile, *groups, "store", step[5], program.pc))
            elif step[0] == Do.RELEASE:
                self.deeds.append(Deed(tile, *groups, "release", 0, program.pc))
            elif step[6]:
                self.deeds.append(Deed(tile, *groups, "take", 1 << unit, program.pc))
        return True

    def message(self, program: Program, step: Step, address: int) -> bool:
        tile, pc = program.unit[0], program.pc
        groups = address // LANES, -(-(address + step[3]) // LANES)
        if step[0] == Do.SEND:
            self.deeds.append(Deed(tile, *groups, "take", 1 << SEND_READER, pc))
            self.deeds.append(Deed(step[4], step[5], step[5] + 1, "send", 0, pc))
        else:
            self.deeds.append(Deed(tile, *groups, "store", step[5], pc))
            self.deeds.append(Deed(tile, step[4], step[4] + 1, "receive", 0, pc))
        return True

    def may_halt(self, program: Program) -> bool:
        return True

    def stop(self, program: Program, kind: str, text: str) -> None:
        program.stopped = True


class _Wait(NamedTuple):
    text: str
    wanted: tuple[tuple[str, int, int, int], ...]
    """What would help: kind of a deed, tile, group or queue, readers of which one is needed."""
    on: Actor | None = None
    """Whom it waits for directly."""


class Explanation:
    """What everybody waits for.

    Parameters
    ----------
    run
        A run in which nobody can go on; races that only show now are reported to it.
    """

    def __init__(self, run: NodeRun) -> None:
        self._run = run
        self._places = run.places
        self._blocked = list(run.blocked)
        self._deeds = {actor: self._deeds_of(actor) for actor in self._blocked}
        self.problems: list[Problem] = []
        waits_for: dict[Actor, list[Actor]] = {}
        texts = {}
        hopeless = []
        for actor in self._blocked:
            wait = self._wait(actor)
            waits_for[actor] = [wait.on] if wait.on is not None else []
            texts[actor] = wait.text + self._helpers(actor, wait, waits_for[actor])
            if len(waits_for[actor]) < max(len(wait.wanted), 1):
                hopeless.append(actor)
        circle = _circle(waits_for)
        # what the others wait for in the end comes first
        for actor in dict.fromkeys([*hopeless, *circle, *self._blocked]):
            place = self._places.at(actor.unit, actor.pc, actor.name)
            self.problems.append(
                Problem(
                    kind="deadlock",
                    unit=actor.unit,
                    pc=actor.pc,
                    text=f"{place}: {texts[actor]}",
                )
            )
        self.circle = tuple(actor.name for actor in circle)

    def _deeds_of(self, actor: Actor) -> list[Deed]:
        if isinstance(actor, Sender):
            deeds = [
                Deed(actor.unit[0], first, end, "take", 1 << SEND_READER, actor.pc)
                for first, end in _groups(actor)
            ]
            return [*deeds, Deed(actor.tile, actor.fifo, actor.fifo + 1, "send", 0, actor.pc)]
        if isinstance(actor, Receiver):
            tile, queue = actor.unit[0], actor.fifo
            deeds = [
                Deed(tile, first, end, "store", actor.readers, actor.pc)
                for first, end in _groups(actor)
            ]
            return [*deeds, Deed(tile, queue, queue + 1, "receive", 0, actor.pc)]
        assert isinstance(actor, Program)
        copy = Program(actor.unit, actor.tid, 0, actor.steps)
        copy.pc = actor.pc
        copy.scalars = actor.scalars.copy()
        copy.loops = [loop.copy() for loop in actor.loops]
        copy.registers = actor.registers.copy()
        world = _Ahead()
        advance(copy, world, self._run.params.tile.core.memory_words)
        return world.deeds

    # ---- what they wait for

    def _wait(self, actor: Actor) -> _Wait:
        tile = actor.unit[0]
        if isinstance(actor, Sender):
            if actor.pending:
                return self._load(actor, actor.pending[0][0], 1 << SEND_READER)
            text = f"send waits for room in queue {actor.fifo} of tile {actor.tile}"
            return _Wait(text, (("receive", actor.tile, actor.fifo, 0),))
        if isinstance(actor, Receiver):
            if actor.pending:
                return self._store(actor, actor.pending[0][0])
            text = f"recv waits for a message in queue {actor.fifo}"
            return _Wait(text, (("send", tile, actor.fifo, 0),))
        assert isinstance(actor, Program)
        step = actor.steps[actor.pc]
        if actor.unit[1] == SEQUENCER:
            sender, receiver = self._run.senders[tile], self._run.receivers[tile]
            unit: Actor = sender
            if step[0] == Do.RECEIVE or (step[0] == Do.HALT and not sender.busy):
                unit = receiver
            return _Wait(f"waits for the {unit.name}", (), unit)
        if step[0] == Do.LOAD:
            return self._load(actor, actor.place[1], 1 << actor.unit[1] if step[6] else 0)
        return self._store(actor, actor.place[1])

    def _load(self, actor: Actor, group: int, bit: int) -> _Wait:
        tile = actor.unit[0]
        memory = self._run.memories[tile]
        segment = memory.segment(group, group + 1)
        memory.doubt(actor, actor.clock, segment, bit)
        name = "send" if bit >> SEND_READER else "load"
        text = f"{name} waits for word {LANES * group}"
        store = segment.store
        if segment.valid:
            by = "the host" if store is None else self._of(segment)
            reader = "the send unit" if bit >> SEND_READER else f"core {bit.bit_length() - 1}"
            rest = f"stored by {by} and not, or no longer, meant for {reader}"
            return _Wait(f"{text}, {rest}", (("store", tile, group, bit),))
        if store is not None:
            text += f", last stored by {self._of(segment)}"
        return _Wait(text, (("store", tile, group, bit),))

    def _store(self, actor: Actor, group: int) -> _Wait:
        tile = actor.unit[0]
        memory = self._run.memories[tile]
        segment = memory.segment(group, group + 1)
        memory.doubt(actor, actor.clock, segment, None)
        by = self._of(segment)
        text = f"store waits for word {LANES * group} to become free: "
        if segment.readers:
            names = [
                "the send unit" if n == SEND_READER else f"core {n}"
                for n in range(SEND_READER + 1)
                if segment.readers >> n & 1
            ]
            text += f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} to take what "
            text += f"was stored by {by}"
            wanted = tuple(
                ("take", tile, group, 1 << n)
                for n in range(SEND_READER + 1)
                if segment.readers >> n & 1
            )
            return _Wait(text, wanted)
        return _Wait(f"{text}it was stored by {by} for nobody", (("release", tile, group, 0),))

    def _of(self, segment: Segment) -> str:
        event = segment.writes[-1] if segment.writes else segment.store
        if event is None:
            return "the host"
        return self._places.at(event.actor.unit, event.pc, event.actor.name)

    # ---- who could help

    def _helpers(self, actor: Actor, wait: _Wait, waits_for: list[Actor]) -> str:
        text = ""
        for what, tile, number, readers in wait.wanted:
            helper = self._helper(actor, what, tile, number, readers)
            if helper is None:
                who = "nobody"
                if what == "take":
                    name = "the send unit" if readers >> SEND_READER else "core"
                    who = name if readers >> SEND_READER else f"{name} {readers.bit_length() - 1}"
                    text += f"; {who} never takes it"
                elif what == "receive":
                    text += ", which nobody receives from"
                elif what == "send":
                    text += ", to which nobody sends"
                else:
                    text += f", which nobody {what}s"
                    text += " again" if what == "store" and "last stored" in wait.text else ""
            else:
                other, deed = helper
                waits_for.append(other)
                place = self._places.at(other.unit, deed.pc, other.name)
                text += f"; {place} would {what}, but waits, too"
        return text

    def _helper(
        self, actor: Actor, what: str, tile: int, number: int, readers: int
    ) -> tuple[Actor, Deed] | None:
        """Who would do what is wanted, the unit itself last."""
        others = [other for other in self._blocked if other is not actor]
        for other in (*others, actor):
            for deed in self._deeds[other]:
                if (
                    deed.what == what
                    and deed.tile == tile
                    and deed.first <= number < deed.end
                    and (not readers or deed.readers & readers)
                ):
                    return other, deed
        return None


def _groups(unit: Sender | Receiver) -> Iterator[tuple[int, int]]:
    """What it has still to access."""
    yield from unit.pending
    if unit.left:
        yield unit.group, unit.group + -(-unit.left // LANES)


def _circle(waits_for: dict[Actor, list[Actor]]) -> list[Actor]:
    """Units of which each waits for the next one, and the last for the first, if there are any."""
    done: set[Actor] = set()
    for start in waits_for:
        path: list[Actor] = []
        stack = [(start, 0)]
        while stack:
            actor, depth = stack.pop()
            del path[depth:]
            if actor in path:
                return path[path.index(actor) :]
            if actor in done:
                continue
            done.add(actor)
            path.append(actor)
            stack += [(other, depth + 1) for other in waits_for.get(actor, ())]
    return []
