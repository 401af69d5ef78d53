"""Programs of a whole node: what a case is, and random ones, of which every message arrives."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.analog.array import IdealArray, make_arrays
from models.analog.device import DeviceArray
from models.system.node import Node, UnitStatus
from panther.arch.core import LANES
from panther.arch.node import NodeParams
from panther.arch.params import McuParams
from panther.arch.tile import ROW_WORDS, SEND_READER, SEQUENCER
from panther.asm import Program, assemble_text

Unit = tuple[int, int]
"""Tile, and core or ``SEQUENCER``."""


@dataclass(frozen=True, kw_only=True)
class NodeCase:
    """Programs of a node's units, and what they start from."""

    node: str
    """Name of the node."""
    programs: dict[Unit, str]
    """Their texts."""
    starts: tuple[tuple[int, dict[Unit, int]], ...] = ()
    """Cycles after the start before, or 0 to wait until all is quiet, and the units that start,
    each with its address. All units at 0 if left out."""
    stored: dict[int, tuple[tuple[int, int, int], ...]] = field(default_factory=dict)
    """By tile: groups that are valid, with their readers and the first of their four words, which
    count up."""
    seed: int = 0
    """Of the cells; for the report."""

    def to_json(self) -> str:
        """Text that :meth:`from_json` reads."""
        return json.dumps(
            {
                "node": self.node,
                "programs": [[*unit, text] for unit, text in self.programs.items()],
                "starts": [
                    [after, [[*unit, pc] for unit, pc in units.items()]]
                    for after, units in self.starts
                ],
                "stored": [[tile, groups] for tile, groups in self.stored.items()],
                "seed": self.seed,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "NodeCase":
        """Read what :meth:`to_json` wrote."""
        fields = json.loads(text)
        return cls(
            node=fields["node"],
            programs={(tile, unit): text for tile, unit, text in fields["programs"]},
            starts=tuple(
                (after, {(tile, unit): pc for tile, unit, pc in units})
                for after, units in fields["starts"]
            ),
            stored={
                tile: tuple((group, readers, word) for group, readers, word in groups)
                for tile, groups in fields["stored"]
            },
            seed=fields["seed"],
        )

    def all_starts(self) -> tuple[tuple[int, dict[Unit, int]], ...]:
        """The starts, if left out those they stand for."""
        return self.starts or ((0, dict.fromkeys(self.programs, 0)),)

    def assembled(self, params: NodeParams) -> dict[Unit, Program]:
        """The programs as words."""
        return {
            (tile, unit): assemble_text(
                text, params.tile.core, name=f"tile{tile}.{unit_name(unit)}.pasm"
            )
            for (tile, unit), text in self.programs.items()
        }

    def cells(self, mcu: McuParams, units: int) -> list[NDArray[np.int16]]:
        """The cells of every matrix unit of the node, shape (slices, rows, columns)."""
        rng = np.random.Generator(np.random.PCG64(self.seed))
        found = []
        for _ in range(units):
            cells = np.empty((mcu.slices.count, mcu.rows, mcu.columns), np.int16)
            for k in range(mcu.slices.count):
                low, high = mcu.slices.cell_range(k)
                cells[k] = rng.integers(low, high, cells.shape[1:], endpoint=True)
            found.append(cells)
        return found

    def arrays(self, params: NodeParams) -> list[IdealArray | DeviceArray]:
        """Array models with those cells, of all matrix units."""
        mcu = params.tile.core.mcu
        units = params.tiles * params.tile.cores * params.tile.core.mcus
        arrays = make_arrays(mcu, units)
        for array, cells in zip(arrays, self.cells(mcu, units), strict=True):
            for row in range(mcu.rows):
                array.program(row, np.ascontiguousarray(cells[:, row].T))
        return arrays

    def twin(self, params: NodeParams, before: Node | None = None, *, trace: bool = True) -> Node:
        """The node at transaction level with everything loaded, nothing started.

        Parameters
        ----------
        params
            The node.
        before
            Node whose registers it has; a reset leaves them as they are.
        trace
            Whether events are recorded.
        """
        node = Node(params, self.arrays(params), trace=trace)
        if before is not None:
            keep_registers(node, before)
        for (tile, unit), program in self.assembled(params).items():
            node.load(tile, unit, program.words)
        for tile in range(params.tiles):
            data, valid, readers = self.memory(tile, params)
            memory = node.memory(tile)
            memory.groups[:], memory.valid[:], memory.readers[:] = data, valid, readers
        return node

    def memory(
        self, tile: int, params: NodeParams
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """What a tile's memory holds at first: of each group the four words in 64 bits, whether it
        is valid, its readers.
        """
        groups = params.tile.groups
        data, readers = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
        valid = np.zeros(groups, np.bool_)
        for group, who, word in self.stored.get(tile, ()):
            words = np.arange(word, word + LANES, dtype=np.int64).astype(np.int16)
            data[group], valid[group], readers[group] = words.view(np.int64)[0], True, who
        return data, valid, readers


def unit_name(unit: int) -> str:
    """A unit of a tile in words."""
    return "sequencer" if unit == SEQUENCER else f"core{unit}"


# ---- one message

RECEIVED = 640
"""Word from which on a message's rows are received."""


def message_case(name: str, params: NodeParams, rows: int, hops: int) -> NodeCase:
    """One message of so many rows from tile 0 to the one so many links east of it."""
    words = ROW_WORDS * rows
    receive = f"recv s0, {RECEIVED}, {words}, 0, core0"
    programs = {(hops, SEQUENCER): f"nop\n{receive}\nhlt"}
    programs[0, SEQUENCER] = f"nop\nsend s0, 0, {words}, {hops}, 0\n" + (
        "hlt" if hops else f"{receive}\nhlt"
    )
    groups = tuple((g, 1 << SEND_READER, 100 * g) for g in range(words // LANES))
    return NodeCase(node=name, programs=programs, stored={0: groups})


def message_cycles(status: UnitStatus) -> int:
    """Cycles a message took, from the X cycle of ``send`` until its last word was stored, from
    what the receiving sequencer shows when it has halted.
    """
    # halted in the cycle after the receive unit became idle, which was the one after the store;
    # cycles count from 0, and the X cycle of the second instruction is cycle 3
    return status.cycle - 1 - 1 - 3


# ---- random ones


@dataclass
class _Region:
    """Groups of a tile's memory only one unit stores into."""

    tile: int
    group: int
    groups: int


class _Random:
    """A random case being written.

    Transfers are thought of one after the other, and every unit does its parts of them in that
    order. So the first one that is not done can always go on: all its units have come to it, and
    its region is free.
    """

    LONGEST = 12
    """Groups of a transfer at most."""

    def __init__(self, params: NodeParams, rng: random.Random) -> None:
        self.params, self.rng = params, rng
        self.lines: dict[Unit, list[str]] = {}
        self.regions: dict[Unit, list[_Region]] = {}
        self.private: dict[Unit, int] = {}
        for tile in range(params.tiles):
            free = 0
            units = [*range(params.tile.cores), SEQUENCER]
            for unit in units:
                self.lines[tile, unit] = []
                self.regions[tile, unit] = []
                for _ in range(2):
                    groups = rng.randint(1, self.LONGEST)
                    free += rng.randint(0, 2)
                    self.regions[tile, unit].append(_Region(tile, free, groups))
                    free += groups
            for unit in units[:-1]:
                self.private[tile, unit] = free
                free += 4
            assert free <= params.tile.groups, "regions must fit the memory"

    def case(self, name: str, seed: int, transfers: int) -> NodeCase:
        for _ in range(transfers):
            self.transfer()
        programs = {}
        for unit, lines in self.lines.items():
            if lines or self.rng.random() < 0.5:
                programs[unit] = "\n".join([*self._begin(unit), *lines, *self._end(unit), "hlt"])
        return NodeCase(node=name, programs=programs, seed=seed)

    def _begin(self, unit: Unit) -> list[str]:
        if unit[1] == SEQUENCER:
            return ["csr watchdog, 20000"]
        registers = self.params.tile.core.registers
        return [
            "csr watchdog, 20000",
            f"vset r0, {self.rng.randint(-999, 999)}, {registers}",
            f"vset m0.mvm_in, {self.rng.randint(-99, 99)}, 4",
            "mcfg m0, mvm_shift, 0",
        ]  # fmt: skip

    def _end(self, unit: Unit) -> list[str]:
        if unit[1] == SEQUENCER:
            return []
        return ["mcu m0:mvm", "v.mov r0, m0.mvm_out, 4", "v.mov r4, m0.mtvm_out, 4"]

    # ---- what a unit does

    def _emit(self, unit: Unit, *lines: str) -> None:
        self.lines[unit] += lines

    def _delay(self, unit: Unit) -> None:
        """Something that takes a while and concerns nobody."""
        rng = self.rng
        draw = rng.random()
        number = len(self.lines[unit])
        if draw < 0.35:
            return
        if draw < 0.55:
            self._emit(unit, f"loop {rng.randint(1, 30)}, end{number}", "nop", f"end{number}:")
        elif draw < 0.65 or unit[1] == SEQUENCER:
            self._emit(unit, *["sadd s2, s2, 3", "sset s3, 5"][: rng.randint(1, 2)])
        elif draw < 0.8:
            first = LANES * self.private[unit] + rng.randint(0, 3)
            length = rng.randint(1, 12)
            self._emit(
                unit,
                f"st r{rng.randint(0, 60)}, s0, {first}, {length}, plain",
                f"ld r{rng.randint(60, 90)}, s0, {first}, {length}",
            )
        elif draw < 0.9:
            self._emit(
                unit, f"v.mov m0.mvm_in, r{rng.randint(0, 90)}, 4",
                f"mcu m0:{rng.choice(('mvm', 'mtvm', 'mvm+mtvm', 'opa'))}",
            )  # fmt: skip
        else:
            self._emit(unit, f"v.add r{rng.randint(64, 80)}, r0, r32, {rng.randint(1, 30)}")

    def _pieces(self, groups: int) -> list[tuple[int, int]]:
        """Groups in one or several pieces: the first one and how many."""
        cuts = sorted({0, groups, *(self.rng.randint(0, groups) for _ in range(2))})
        if self.rng.random() < 0.5:
            cuts = [0, groups]
        return [(first, end - first) for first, end in pairwise(cuts)]

    def _store(self, core: Unit, region: _Region, words: int, readers: Sequence[int]) -> None:
        who = "|".join("send_unit" if n == SEND_READER else f"core{n}" for n in readers)
        self._emit(core, f"vi.add r0, r{self.rng.randint(0, 60)}, {self.rng.randint(-9, 9)}, 48")
        for first, groups in self._pieces(-(-words // LANES)):
            length = min(words - LANES * first, LANES * groups)
            address = LANES * (region.group + first)
            self._emit(core, f"st r{LANES * first}, s0, {address}, {length}, {who}")

    def _load(self, core: Unit, region: _Region, words: int) -> None:
        to = self.rng.randint(0, 70)
        for first, groups in self._pieces(-(-words // LANES)):
            length = min(words - LANES * first, LANES * groups)
            address = LANES * (region.group + first)
            self._emit(core, f"ld r{to + LANES * first}, s0, {address}, {length}, take")

    def _readers(self, tile: int, but: int | None = None) -> list[int]:
        cores = [n for n in range(self.params.tile.cores) if n != but]
        return sorted(self.rng.sample(cores, self.rng.randint(0, len(cores))))

    # ---- transfers

    def transfer(self) -> None:
        """One more: between cores of a tile, or from one tile to another or itself."""
        rng, params = self.rng, self.params
        tile, core = rng.randrange(params.tiles), rng.randrange(params.tile.cores)
        source = rng.choice(self.regions[tile, core])
        readers = self._readers(tile, core)
        sends = rng.random() < 0.75 or not readers
        to = rng.randrange(params.tiles) if sends else tile
        target = rng.choice(self.regions[to, SEQUENCER])
        least = min(source.groups, target.groups) if sends else source.groups
        words = rng.randint(1, LANES * least)
        self._delay((tile, core))
        self._store((tile, core), source, words, [*readers, SEND_READER] if sends else readers)
        for reader in readers:
            self._delay((tile, reader))
            self._load((tile, reader), source, words)
        if not sends:
            return
        self._delay((tile, SEQUENCER))
        base = LANES * source.group
        self._emit((tile, SEQUENCER), f"send s0, {base}, {words}, {to}, {self._queue(tile, to)}")
        takers = self._readers(to) or [rng.randrange(params.tile.cores)]
        who = "|".join(f"core{n}" for n in takers)
        base = LANES * target.group
        self._delay((to, SEQUENCER))
        self._emit((to, SEQUENCER), f"recv s0, {base}, {words}, {self._queue(tile, to)}, {who}")
        for taker in takers:
            self._delay((to, taker))
            self._load((to, taker), target, words)

    def _queue(self, source: int, to: int) -> int:
        """One queue for every sender."""
        return (source + to) % self.params.tile.fifos


def random_case(name: str, seed: int, params: NodeParams, *, transfers: int = 0) -> NodeCase:
    """The valid case ``seed`` on node ``name``: every message arrives, every word is taken.

    About ``transfers`` long, at random if 0; a node must have a queue for every tile.
    """
    rng = random.Random(f"{name} {seed}")
    size = transfers or rng.randint(3, 5 * params.tiles * params.tile.cores)
    while True:
        case = _Random(params, rng).case(name, seed, size)
        words = case.assembled(params)
        if all(
            len(program.words)
            <= (params.tile.instructions if unit == SEQUENCER else params.tile.core.instructions)
            for (_, unit), program in words.items()
        ):
            return case
        size -= 1


def broken_case(name: str, seed: int, params: NodeParams) -> NodeCase:
    """A random case in which something is missing or wrong, so that somebody stops for a fault."""
    case = random_case(name, seed, params)
    rng = random.Random(f"broken {name} {seed}")
    texts = {}
    for unit, text in case.programs.items():
        lines = text.replace("watchdog, 20000", f"watchdog, {rng.randint(50, 800)}").splitlines()
        texts[unit] = lines
    for _ in range(rng.randint(1, 3)):
        unit = rng.choice(list(texts))
        lines = texts[unit]
        places = [
            n for n, line in enumerate(lines) if line.startswith(("send", "recv", "st ", "ld "))
        ]
        if not places:
            continue
        place = rng.choice(places)
        words = lines[place].replace(",", "").split()
        draw = rng.random()
        if draw < 0.4:
            lines[place] = "nop"
        elif draw < 0.55 and words[0] in ("send", "recv"):
            words[3] = str(min(1023, int(words[3]) + ROW_WORDS))
            lines[place] = f"{words[0]} {', '.join(words[1:])}"
        elif draw < 0.7 and words[0] == "send":
            words[4] = str(rng.choice((params.tiles, rng.randrange(params.tiles))))
            lines[place] = f"{words[0]} {', '.join(words[1:])}"
        elif draw < 0.85 and words[0] in ("send", "recv"):
            words[-1 if words[0] == "send" else 4] = str(rng.randrange(params.tile.fifos))
            lines[place] = f"{words[0]} {', '.join(words[1:])}"
        else:
            lines[place] = ".word 0"
    return replace(case, programs={unit: "\n".join(lines) for unit, lines in texts.items()})


def keep_registers(node: Node, before: Node) -> None:
    """Give a node the registers of another one like it; a reset leaves them as they are."""
    for core, old in zip(node.cores, before.cores, strict=True):
        core.registers[:] = old.registers
        core.machine.scalars.values[:] = old.machine.scalars.values
    for tile in range(node.params.tiles):
        node.scalars(tile)[:] = before.scalars(tile)
