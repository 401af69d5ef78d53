"""The reference's machine: tiles, the network between them, and the cycles of a run.

In every cycle each tile takes a step, then the network moves messages. What is looked up in vain is
looked up again in the next cycle, so cycles in which nothing moves are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from panther.puma.interpreter import Blocked
from panther.puma.reference.cores import Latencies
from panther.puma.reference.quirks import Quirks
from panther.puma.reference.tiles import Message, Tile
from panther.puma.text import PumaError, PumaProgram, Unit

NETWORK_CYCLES = 31
"""For which a message of one row is on its way."""


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What a run takes and accesses; nothing here has a price."""

    cycles: int
    core_cycles: Mapping[Unit, int]
    """Until each core has halted."""
    tile_cycles: Mapping[int, int]
    """Until each tile has halted."""
    network_cycles: int
    """In which a message is waiting or on its way."""
    counts: Mapping[int, Mapping[str, int]]
    """Accesses of each tile and its cores, by component and action."""


def run_machine(
    program: PumaProgram, latencies: Latencies, quirks: Quirks | None = None
) -> Activity:
    """Run a program without its values.

    Parameters
    ----------
    program
        What to run; the words that tile 0 sends are there from the beginning.
    latencies
        Of the matrix units.
    quirks
        All those of the reference if left out.

    Raises
    ------
    Blocked
        If it does not come to its end.
    PumaError
        If an address is not known before the run, a message is for no tile or not as long as its
        receiver says, or a load waits so long that the reference would go on without its words.
    """
    quirks = quirks or Quirks()
    _check_targets(program)
    tiles = [Tile(program, number, latencies, quirks) for number in range(program.tiles)]
    network = _Network(tiles)
    now = 0
    while True:
        moved = False
        for tile in tiles:
            if tile.halted is None:
                moved |= tile.step(now)
        moved |= network.step(now)
        if all(tile.halted is not None for tile in tiles):
            break
        if moved or any(tile.may_be_served for tile in tiles):
            now += 1
            continue
        later = [time for time in chain(*(tile.times for tile in tiles), network.times())
                 if time > now]  # fmt: skip
        if not later:
            lines = [line for tile in tiles for line in tile.waiting()]
            raise Blocked(f"{lines[0]}: programs wait for each other: {', '.join(lines)}")
        now = min(later)
    return Activity(
        cycles=now + 1,
        core_cycles={(t, core): time + 1 for t, tile in enumerate(tiles)
                     for core, time in enumerate(tile.times)},
        tile_cycles={t: (tile.halted or 0) + 1 for t, tile in enumerate(tiles)},
        network_cycles=network.busy,
        counts={t: tile.counts for t, tile in enumerate(tiles)},
    )  # fmt: skip


def _check_targets(program: PumaProgram) -> None:
    for lines in program.units.values():
        for line in lines:
            target = line.operands.get("target_addr", 0)
            if target >= program.tiles:
                raise PumaError(
                    f"{line.where}: target_addr must be one of {program.tiles} tiles, not {target}"
                )


class _Network:
    """Each tile's messages arrive in their order, each into the one place its sender has there."""

    def __init__(self, tiles: Sequence[Tile]) -> None:
        self.tiles = tiles
        self.busy = 0
        self._since: int | None = None

    def step(self, now: int) -> bool:
        if any(tile.outgoing for tile in self.tiles):
            if self._since is None:
                self._since = now
        elif self._since is not None:
            self.busy += now - self._since + 1
            self._since = None
        moved = False
        for tile in self.tiles:
            if not tile.outgoing:
                continue
            message = tile.outgoing[0]
            arrived = self.tiles[message.target].arrived
            if now >= self._due(message) and message.sender not in arrived:
                arrived[message.sender] = tile.outgoing.popleft().width
                self.tiles[message.target].counts["receive_buffer.access"] += 1
                moved = True
        return moved

    def times(self) -> list[int]:
        """When the first message of each tile gets there, if there is a place for it."""
        return [self._due(tile.outgoing[0]) for tile in self.tiles if tile.outgoing]

    @staticmethod
    def _due(message: Message) -> int:
        return message.sent + NETWORK_CYCLES - 1
