"""Pass: addresses for registers and buffers.

A register lives from its first to its last use, and through every loop that it is used in but was
not made in; registers that do not live at the same time share words. Buffers of one core do the
same: they are its own, so its program order alone keeps a new value from overwriting an old one too
soon. Mailboxes are never shared. Nothing is ever spilled: what does not fit is an error.

A tile's memory, from address 0: mailboxes; of each core its parameters, its static buffers and its
slots, one for every example of a batch; then the host's examples, a record each. With momentum
slots are a ring: those of a batch lie before those of the batch it follows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from panther.arch.network import padded
from panther.arch.node import NodeParams
from panther.arch.tile import SEQUENCER
from panther.compiler.communication import UnitPrograms
from panther.compiler.loops import (
    OUTER,
    Address,
    Buffer,
    Core,
    Every,
    Loop,
    Op,
    Register,
    Scalar,
    Statement,
    walk,
)
from panther.compiler.placement import DoesNotFitError

RATES = "rates"
"""Register with an epoch's learning rates."""
PARAMETER = "parameter"
ALWAYS = 1 << 30
RING_WORDS = 2
"""Parameters of a ring: batches before that there are, and the place of the last one."""
RUN_EPOCHS = 16
"""Epochs of one run at most: so many learning rates are in memory."""


@dataclass(frozen=True)
class Place:
    """Where a buffer is: an address, or words from the start of a slot or a record."""

    space: str
    offset: int


@dataclass
class Tile:
    """What lies where in a tile's memory."""

    examples: int = 0
    """Address of the first record."""
    record: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Offset and words in a record, by name of the buffer."""
    record_words: int = 0
    room: int = 1 << 30
    """Records that fit."""


@dataclass
class Layout:
    """Addresses of everything."""

    registers: dict[tuple[Core, str], int] = field(default_factory=dict)
    used_registers: dict[Core, int] = field(default_factory=dict)
    buffers: dict[tuple[Core, str], Place] = field(default_factory=dict)
    slots: dict[Core, tuple[int, int]] = field(default_factory=dict)
    """Address of a core's first slot, and the words of one."""
    batch: int = 1
    """Examples of a batch, each with a slot."""
    history: int = 0
    """Batches before the present one that have slots, too."""
    counters: dict[Core, list[str]] = field(default_factory=dict)
    """Matrices whose OPAs a core counts, in the order of its parameters."""
    rates: dict[Core, list[str]] = field(default_factory=dict)
    """Matrices whose learning rates a core needs, in the order of an epoch's parameters."""
    parameters: dict[Core, int] = field(default_factory=dict)
    """Address of a core's parameters: OPAs left until the next CRS, and with momentum where it
    stands in the ring, then the rates of every epoch, each part in whole groups."""
    tiles: dict[int, Tile] = field(default_factory=dict)

    def rate_words(self, core: Core) -> int:
        return padded(len(self.rates[core]))

    def counter_words(self, core: Core) -> int:
        return padded(len(self.counters[core]) + (RING_WORDS if self.ring(core) else 0))

    def ring(self, core: Core) -> bool:
        """Whether a core keeps slots of batches before: it applies outer products."""
        return bool(self.history and self.rates.get(core))

    def first_words(self, core: Core, left: Mapping[str, int], batches: int) -> list[int]:
        """A core's parameters up to the rates.

        Parameters
        ----------
        core
            The core.
        left
            OPAs left until the next CRS of every matrix.
        batches
            Batches trained so far.
        """
        words = [left[name] for name in self.counters[core]]
        if self.ring(core):
            words += [min(batches, self.history), -batches % (self.history + 1)]
        return words + [0] * (self.counter_words(core) - len(words))

    @property
    def room(self) -> int:
        """Examples that fit all tiles."""
        return min(tile.room for tile in self.tiles.values())


@dataclass
class _Life:
    """Of a register or a buffer: positions of its first and last use."""

    first: int
    last: int
    words: int
    depth: tuple[int, ...]
    """Loops around the first use."""


def allocate(programs: UnitPrograms, node: NodeParams, batch: int, history: int = 0) -> Layout:
    """Addresses for all units' programs.

    Raises
    ------
    DoesNotFitError
        If registers or memory are too few; the message says whose and by how much.
    """
    layout = Layout(batch=batch, history=history)
    sizes = {(buffer.core, buffer.name): buffer for buffer in programs.buffers}
    cores = [unit for unit in programs.units if unit[1] != SEQUENCER]
    lives: dict[Core, dict[str, _Life]] = {}
    for core in cores:
        prologue, body = programs.prologues.get(core, ()), programs.bodies.get(core, ())
        registers, buffers = _lives(prologue, body)
        layout.counters[core], layout.rates[core] = _named(body)
        if layout.rates[core]:
            registers[RATES] = _Life(-1, ALWAYS, layout.rate_words(core), ())
        registers[PARAMETER] = _Life(-1, -1, max(layout.counter_words(core), 4), ())
        places, used = _pack(registers)
        if used > node.tile.core.registers:
            raise DoesNotFitError(
                f"Core {core[0]}.{core[1]} must get by with its {node.tile.core.registers} "
                f"registers, not {used}"
            )
        layout.used_registers[core] = used
        layout.registers.update({(core, name): place for name, place in places.items()})
        lives[core] = buffers
    for tile in sorted({unit[0] for unit in programs.units}):
        _tile(layout, tile, programs.buffers, lives, sizes, node)
    return layout


def _tile(
    layout: Layout, tile: int, buffers: Iterable[Buffer], lives: Mapping[Core, dict[str, _Life]],
    sizes: Mapping[tuple[Core, str], Buffer], node: NodeParams,
) -> None:  # fmt: skip
    end = 0
    here = layout.tiles[tile] = Tile()
    for buffer in buffers:
        if buffer.core == (tile, SEQUENCER):
            layout.buffers[buffer.core, buffer.name] = Place("static", end)
            end += padded(buffer.words)
    for core in (core for core in lives if core[0] == tile):
        layout.parameters[core] = end
        end += layout.counter_words(core) + RUN_EPOCHS * layout.rate_words(core)
        shared: dict[str, _Life] = {}
        slot = 0
        for name, life in lives[core].items():
            if (core, name) not in sizes:
                continue  # a mailbox
            buffer = sizes[core, name]
            if buffer.space == "static":
                shared[name] = _Life(life.first, life.last, padded(buffer.words), life.depth)
            elif buffer.space == "slot":
                layout.buffers[core, name] = Place("slot", slot)
                slot += padded(buffer.words)
            else:
                if name in here.record and here.record[name][1] != buffer.words:
                    raise DoesNotFitError(
                        f"Tile {tile}: all crossbars of one tile must take {name} with the same "
                        "padding; give the node more tiles, or the layers the same padding"
                    )
                if name not in here.record:
                    here.record[name] = (here.record_words, buffer.words)
                    here.record_words += padded(buffer.words)
                layout.buffers[core, name] = Place("example", here.record[name][0])
        places, used = _pack(shared)
        for name, place in places.items():
            layout.buffers[core, name] = Place("static", end + place)
        end += used
        layout.slots[core] = (end, slot)
        end += slot * layout.batch * (layout.history + 1)
    here.examples = end
    words = node.tile.core.memory_words
    need = end + here.record_words * layout.batch
    if need > words:
        raise DoesNotFitError(
            f"Tile {tile} must get by with its {words} words of memory, not {need}: buffers "
            f"{end}, {layout.batch} examples of {here.record_words}"
        )
    if here.record_words:
        here.room = (words - end) // here.record_words


def _lives(
    prologue: Sequence[Statement], body: Sequence[Statement]
) -> tuple[dict[str, _Life], dict[str, _Life]]:
    """Of registers and of buffers. What is made once and used for every batch lives for ever."""
    registers: dict[str, _Life] = {}
    buffers: dict[str, _Life] = {}
    loops: list[list[int]] = []  # first and last position of every loop
    position = 0

    def use(lives: dict[str, _Life], name: str, words: int, around: tuple[int, ...]) -> None:
        life = lives.setdefault(name, _Life(position, position, 0, around))
        life.last = position
        life.words = max(life.words, words)
        outside = [loop for loop in around if loop not in life.depth]
        if outside:
            pending.append((life, outside[0]))

    def visit(part: Sequence[Statement], around: tuple[int, ...], nest: int | None) -> None:
        nonlocal position
        for s in part:
            if isinstance(s, (Loop, Every)):
                loops.append([position + 1, position])
                inner = (*around, len(loops) - 1)
                outermost = nest is None and not (isinstance(s, Loop) and s.count in OUTER)
                visit(s.body, inner, inner[-1] if outermost else nest)
                loops[inner[-1]][1] = position
                continue
            assert isinstance(s, Op)
            position += 1
            for operand in s.operands:
                if isinstance(operand, Register) and not operand.bank:
                    use(registers, operand.name, operand.offset + _length(s), around)
                elif isinstance(operand, Address):
                    use(buffers, operand.buffer, 0, around)
                    if nest is not None:
                        whole.append((buffers[operand.buffer], nest))

    whole: list[tuple[_Life, int]] = []  # a nest writes or reads a buffer bit by bit
    pending: list[tuple[_Life, int]] = []
    visit(prologue, (), None)
    begin = position
    visit(body, (), None)
    for life, loop in pending:
        life.last = max(life.last, loops[loop][1])
    for life, nest in whole:
        life.first = min(life.first, loops[nest][0])
        life.last = max(life.last, loops[nest][1])
    for life in (*registers.values(), *buffers.values()):
        if life.first <= begin < life.last:
            life.last = ALWAYS
    return registers, buffers


def _length(op: Op) -> int:
    """Words of an instruction's register operands."""
    group, _, function = op.name.partition(".")
    if op.name == "ld2":
        return int(str(op.operands[2])) * int(str(op.operands[3]))
    binary = group in ("v", "vs") or (group == "vi" and function in ("max", "cgt", "add"))
    return int(str(op.operands[3 if binary and function != "mov" else 2]))


def _named(statements: Sequence[Statement]) -> tuple[list[str], list[str]]:
    counters: dict[str, None] = {}
    rates: dict[str, None] = {}
    for _, s in walk(statements):
        if isinstance(s, Every):
            counters[s.counter] = None
        elif isinstance(s, Op):
            for operand in s.operands:
                if isinstance(operand, Scalar) and operand.name.startswith("rate."):
                    rates[operand.name.removeprefix("rate.")] = None
    return list(counters), list(rates)


def _pack(lives: Mapping[str, _Life]) -> tuple[dict[str, int], int]:
    """Offsets such that what lives at one time does not overlap, the first that fits; their end."""
    placed: list[tuple[_Life, int]] = []
    places: dict[str, int] = {}
    for name, life in sorted(lives.items(), key=lambda item: (item[1].first, item[0])):
        words = padded(life.words)
        taken = sorted(
            (start, start + padded(other.words))
            for other, start in placed
            if other.first <= life.last and life.first <= other.last
        )
        start = 0
        for low, high in taken:
            if start + words <= low:
                break
            start = max(start, high)
        placed.append((life, start))
        places[name] = start
    return places, max((start + padded(life.words) for life, start in placed), default=0)
