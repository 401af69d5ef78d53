"""Pass: deliveries become stores, loads and messages; every unit gets its part of the tree.

A delivery has a *mailbox* of its own in the source's tile: the store waits until all who were named
have taken the words before, and names who has to take these; a load with ``take`` waits for them.
To another tile they go as a message, through a mailbox the send unit takes from and one in the
other tile that the receive unit stores to. All units keep to one global order, that of the loop
program, and what a unit waits for lies before it in that order: so nothing deadlocks.

A tile's sequencer runs the same loops with only its messages in them. Each tile that sends to a
tile has a queue of its own there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from panther.arch.network import padded
from panther.arch.node import NodeParams
from panther.arch.tile import SEND_READER, SEQUENCER
from panther.compiler.loops import (
    Address,
    Buffer,
    Core,
    Deliver,
    Every,
    Loop,
    LoopProgram,
    Op,
    Register,
    Statement,
)
from panther.compiler.placement import DoesNotFitError

Parts = dict[Core, list[Statement]]


@dataclass(frozen=True)
class UnitPrograms:
    """Statements of every core and sequencer, and the mailboxes, which belong to sequencers."""

    prologues: dict[Core, tuple[Statement, ...]]
    bodies: dict[Core, tuple[Statement, ...]]
    buffers: tuple[Buffer, ...]

    @property
    def units(self) -> list[Core]:
        return sorted({*self.prologues, *self.bodies})


class _Communicator:
    def __init__(self, node: NodeParams) -> None:
        self.node = node
        self.mailboxes: list[Buffer] = []
        self.queues: dict[int, dict[int, int]] = {}

    def project(self, statements: Sequence[Statement]) -> Parts:
        parts: Parts = {}
        for s in statements:
            if isinstance(s, Deliver):
                self.deliver(s, parts)
            elif isinstance(s, Loop):
                for unit, body in self.project(s.body).items():
                    parts.setdefault(unit, []).append(replace(s, body=tuple(body)))
            elif isinstance(s, Every):
                parts.setdefault(s.core, []).append(s)
            else:
                parts.setdefault(s.core, []).append(s)
        return parts

    def mailbox(self, tile: int, length: int) -> Address:
        name = f"mail{len(self.mailboxes)}"
        self.mailboxes.append(Buffer((tile, SEQUENCER), name, "static", padded(length)))
        return Address(name)

    def queue(self, source: int, tile: int) -> int:
        """Number of the queue at ``tile`` for messages from ``source``."""
        queues = self.queues.setdefault(tile, {})
        number = queues.setdefault(source, len(queues))
        if number >= self.node.tile.fifos:
            raise DoesNotFitError(
                f"Tile {tile} must get messages from at most {self.node.tile.fifos} tiles, one for "
                "each of its queues; give tiles more queues, or cores more matrix units"
            )
        return number

    def deliver(self, s: Deliver, parts: Parts) -> None:
        by_tile: dict[int, list[tuple[Core, Register]]] = {}
        origin = replace(s.origin, phase="communication")
        for core, register in s.targets:
            by_tile.setdefault(core[0], []).append((core, register))
        source = s.source[0]
        here = [core for core, _ in by_tile.get(source, [])]
        others = [tile for tile in by_tile if tile != source]
        outboxes: dict[int, Address] = {}
        masks = [(_mask(here), others[:1])] if here or others else []
        masks += [(0, [tile]) for tile in others[1:]]
        for mask, tiles in masks:
            box = self.mailbox(source, s.length)
            readers = mask | (1 << SEND_READER if tiles else 0)
            store = Op(s.source, "st", (s.register, box, s.length, readers), origin)
            parts.setdefault(s.source, []).append(store)
            outboxes.update(dict.fromkeys(tiles, box))
            if mask:
                outboxes[source] = box
        for tile, loads in by_tile.items():
            box = outboxes[tile]
            if tile != source:
                number = self.queue(source, tile)
                send = Op((source, SEQUENCER), "send", (box, s.length, tile, number), origin)
                parts.setdefault(send.core, []).append(send)
                box = self.mailbox(tile, s.length)
                mask = _mask([core for core, _ in loads])
                recv = Op((tile, SEQUENCER), "recv", (box, s.length, number, mask), origin)
                parts.setdefault(recv.core, []).append(recv)
            for core, register in loads:
                taken = Op(core, "ld", (register, box, s.length, "take"), origin)
                parts.setdefault(core, []).append(taken)


def _mask(cores: Sequence[Core]) -> int:
    return sum(1 << core for _, core in cores)


def communicate(program: LoopProgram, node: NodeParams) -> UnitPrograms:
    """Programs of all units.

    Raises
    ------
    DoesNotFitError
        If a tile has too few queues.
    """
    communicator = _Communicator(node)
    prologues = communicator.project(program.prologue)
    bodies = communicator.project(program.body)
    return UnitPrograms(
        {unit: tuple(part) for unit, part in prologues.items()},
        {unit: tuple(part) for unit, part in bodies.items()},
        (*program.buffers, *communicator.mailboxes),
    )
