"""Pass: the steps of training as a loop program on placed crossbars.

Every core keeps what it needs of a tensor in a buffer of its own, a *map*: the rows of the image
with their padding, channels in whole groups of four. ``t.x`` holds a tensor, ``t.x.low`` one whose
padding is the least word, ``e.x`` an error where it is added up, ``s.x`` a contribution to it,
``d.m`` the error of a matrix at its crossbars. A tensor is handed on pixel by pixel as soon as it
is computed, so all that waits for each other is there as early as can be.

Partial sums of a matrix go from crossbar to crossbar in ascending order; the core that has the last
row tile of a column tile applies the function and hands the words on. A matrix's *home*, the core
of its last crossbar, adds up the error of its result.

Variants: V1 applies outer products after each example; V2 keeps windows and errors of a batch in
``slot`` buffers and applies them at its end; V3 applies them at once to copies that are not read,
and resolves them at the batch's end.

With momentum the slots of some batches before are kept. What an error is multiplied by is then
applied to it where it lies, in ``d.m``, so that it is at hand when the next batch multiplies it
again; and as the host's examples do not stay, ``k.x`` has those of the network's input.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from panther.arch.network import (
    FUNCTION_FRACTION,
    FUNCTIONS,
    POOLS,
    Factor,
    Kind,
    Network,
    Node,
    TrainPlan,
    factor,
    padded,
)
from panther.compiler.autodiff import Does, Step, fused, result
from panther.compiler.loops import (
    HISTORY,
    Address,
    Buffer,
    Core,
    Deliver,
    Every,
    Loop,
    LoopProgram,
    Op,
    Operand,
    Origin,
    Register,
    Scalar,
    Statement,
)
from panther.compiler.placement import Placed
from panther.compiler.tiling import FEEDBACK, returns_error

SEGMENT = 128
"""Channels a vector instruction works on at once, where there is no crossbar to say."""
CLEAR = 256
"""Words set at once."""
LOW = -32768
LABEL = "label"
ROWS_OF_WINDOW = 63
WORDS_OF_ROW = 255
"""What ``ld2`` gathers at most."""
_PHASES = {Does.FORWARD: "forward", Does.LOSS: "loss", Does.UPDATE: "update"}
"""Of steps that are not part of the way back."""


@dataclass(frozen=True)
class Map:
    """A tensor in a buffer: its shape and the pixels around it."""

    name: str
    shape: tuple[int, int, int]
    around: tuple[int, int]

    @property
    def pitch(self) -> int:
        """Words from a pixel to the next."""
        return padded(self.shape[2])

    @property
    def line(self) -> int:
        """Words from a row of pixels to the next."""
        return (self.shape[1] + 2 * self.around[1]) * self.pitch

    @property
    def words(self) -> int:
        return (self.shape[0] + 2 * self.around[0]) * self.line

    def at(self, y: int, x: int, channel: int = 0) -> int:
        """Offset of a word; ``y`` and ``x`` may be negative, into the padding."""
        return (y + self.around[0]) * self.line + (x + self.around[1]) * self.pitch + channel


@dataclass(frozen=True)
class Run:
    """Rows of a window that lie side by side in a map."""

    row: int
    """The first row."""
    offset: int
    """Of its word from that of pixel (0, 0) of the window."""
    length: int


def runs(node: Node, map_: Map, rows: range) -> list[Run]:
    """The rows of a crossbar, without that of the bias, as pieces of memory."""
    of_line = node.kernel[1] * map_.pitch
    if of_line == map_.line:  # the window is as wide as the image: all of it is one piece
        of_line *= node.kernel[0]
    end = min(rows.stop, node.kernel[0] * node.kernel[1] * map_.pitch)
    found, row = [], rows.start
    while row < end:
        line, inside = divmod(row, of_line)
        length = min(of_line - inside, end - row)
        found.append(Run(row, line * map_.line + inside, length))
        row += length
    return found


class Scheduler:
    """Makes the loop program; one object for one network."""

    def __init__(
        self, network: Network, plan: TrainPlan, steps: Sequence[Step], placed: Sequence[Placed]
    ) -> None:
        self.network, self.plan, self.steps = network, plan, steps
        self.units: dict[str, list[Placed]] = {}
        for unit in placed:
            self.units.setdefault(unit.crossbar.matrix, []).append(unit)
        self._blocks: list[list[Statement]] = [[]]
        self._origin = Origin()
        self._variables: list[str] = []
        self._registers = 0
        self.maps: dict[tuple[Core, str], Map] = {}
        self._labels: dict[Core, None] = {}
        self._scratch: dict[tuple[Core, str], Map] = {}
        self._homes: dict[str, Core] = {}
        for node in network.nodes[1:]:
            if node.kind == Kind.MATRIX:
                self._homes[node.name] = self.units[node.name][-1].core
            else:
                before = network[node.inputs[0]]
                first = min(unit.core for unit in placed)
                self._homes[node.name] = self._homes.get(before.name, first)
        self._find_maps()
        source = network.nodes[0].name
        for core, name in self.maps:
            if name == f"t.{source}":  # one record for all cores of a tile
                self.maps[core, name] = Map(name, network[source].shape, around_input(network))
        if plan.history:
            for node in network.users(source):
                for core in self.cores(node.name) if node.kind == Kind.MATRIX else ():
                    if self._windows(node, core):
                        name = f"k.{source}"
                        self.maps[core, name] = replace(self.maps[core, f"t.{source}"], name=name)

    # ---- what each core keeps

    def home(self, name: str) -> Core:
        """The core that adds up a tensor's error, and computes what is not computed by matrices."""
        return self._homes[name]

    def cores(self, matrix: str) -> list[Core]:
        """Cores with crossbars of a matrix, its transposed one included, in order."""
        found: dict[Core, None] = {}
        for name in (matrix, matrix + FEEDBACK):
            for unit in self.units.get(name, []):
                found[unit.core] = None
        return sorted(found)

    def _need(
        self, core: Core, tensor: str, around: tuple[int, int] = (0, 0), *, name: str = ""
    ) -> None:
        name = name or f"t.{tensor}"
        old = self.maps.get((core, name))
        if old is not None:
            around = (max(around[0], old.around[0]), max(around[1], old.around[1]))
        self.maps[core, name] = Map(name, self.network[tensor].shape, around)

    def _windows(self, node: Node, core: Core) -> bool:
        """Whether a core has more of a matrix than its bias."""
        end = self.network.rows(node) - node.bias
        return any(
            (c.columns if c.matrix.endswith(FEEDBACK) else c.rows).start < end
            for name in (node.name, node.name + FEEDBACK)
            for c in (unit.crossbar for unit in self.units.get(name, []) if unit.core == core)
        )

    def _find_maps(self) -> None:
        network, errors = self.network, self.network.needs_error()
        for step in self.steps:
            node = step.node
            taken = node.inputs[0] if node.inputs else ""
            home = self._homes.get(node.name)
            if home is None:
                continue
            seen = result(network, node)
            if step.does == Does.FORWARD and node.kind == Kind.MATRIX:
                for core in self.cores(node.name):
                    if self._windows(node, core):
                        self._need(core, taken, node.padding)
                    self._need(core, node.name, name=f"d.{node.name}")
                if seen is not node:
                    self._need(home, seen.name)
            elif step.does == Does.FORWARD:
                if self._pooled(node) == f"t.{network.nodes[0].name}.low":
                    self._need(home, taken)
                self._need(home, taken, node.padding, name=self._pooled(node))
                for other in node.inputs[1:]:
                    self._need(home, other)
                if node.kind in (Kind.MAX_POOL, Kind.RELU, *FUNCTIONS) and taken in errors:
                    self._need(home, node.name)
            elif step.does == Does.LOSS:
                self._need(home, taken)
                self._labels[home] = None
        for name in errors:
            if any(fused(network, node) and node.name == name for node in network.matrices):
                continue
            around = [0, 0]
            for user in network.users(name):
                if user.kind == Kind.MATRIX or user.kind in POOLS:
                    around = [max(a, p) for a, p in zip(around, user.padding, strict=True)]
            self._need(self.home(name), name, (around[0], around[1]), name=f"e.{name}")

    # ---- writing statements

    def emit(self, core: Core, name: str, *operands: Operand) -> None:
        self._blocks[-1].append(Op(core, name, operands, self._origin))

    @contextmanager
    def of(self, layer: str, phase: str) -> Iterator[None]:
        """What is emitted inside is there for this."""
        before, self._origin = self._origin, Origin(layer, phase)
        yield
        self._origin = before

    @contextmanager
    def loop(self, variable: str, count: int | str) -> Iterator[None]:
        """A loop around what is emitted inside; none if it would be run once."""
        if count == 1:
            yield
            return
        self._blocks.append([])
        self._variables.append(variable)
        yield
        self._variables.pop()
        body = tuple(self._blocks.pop())
        if body:
            self._blocks[-1].append(Loop(variable, count, body, self._origin))

    @contextmanager
    def pixels(self, height: int, width: int) -> Iterator[None]:
        with self.loop("y", height), self.loop("x", width):
            yield

    def address(self, map_: Map, offset: int, **steps: int) -> Address:
        """A word of a map; steps of variables that are not looped over are 0 anyway."""
        used = tuple((name, step) for name, step in steps.items() if name in self._variables)
        return Address(map_.name, offset, tuple(pair for pair in used if pair[1]))

    def pixel(self, map_: Map, channel: int = 0) -> Address:
        """The word of a channel at pixel (y, x) of the loops."""
        return self.address(map_, map_.at(0, 0, channel), y=map_.line, x=map_.pitch)

    def register(self, hint: str) -> Register:
        """A register nobody else uses."""
        self._registers += 1
        return Register(f"{hint}{self._registers}")

    def load(self, core: Core, hint: str, address: Address, length: int) -> Register:
        register = self.register(hint)
        self.emit(core, "ld", register, address, length)
        return register

    def multiply(self, core: Core, d: Register, a: Register, by: Factor, length: int) -> None:
        self.emit(core, "vs.mul", d, a, Scalar(f"={by.multiplier}"), length, by.shift)

    def bring(self, register: Register, length: int, source: Core, cores: Sequence[Core]) -> Any:
        """Registers with a core's words at other cores, and at itself."""
        targets = {core: self.register("in") for core in cores if core != source}
        if targets:
            to = tuple(targets.items())
            self._blocks[-1].append(Deliver(source, register, length, to, self._origin))
        return {core: targets.get(core, register) for core in cores}

    def hand_on(self, tensor: str, core: Core, place: Register, channel: int, length: int) -> None:
        """Words of a tensor's pixel into the maps of all who need them."""
        for name in (f"t.{tensor}", f"t.{tensor}.low"):
            owners = [owner for owner, map_name in self.maps if map_name == name]
            for owner, register in self.bring(place, length, core, owners).items():
                address = self.pixel(self.maps[owner, name], channel)
                self.emit(owner, "st", register, address, length)

    def kept(self, node: Node) -> str:
        """The map from which a matrix is updated."""
        source = self.network.nodes[0].name
        held = bool(self.plan.history) and node.inputs[0] == source
        return f"{'k' if held else 't'}.{node.inputs[0]}"

    def gather(
        self, node: Node, core: Core, name: str, units: Sequence[tuple[Register, range]]
    ) -> None:
        """The window at pixel (y, x) of a matrix's result, from a map into banks of units."""
        if (core, name) not in self.maps:
            return  # nothing but the bias here
        map_ = self.maps[core, name]
        done: dict[range, Register] = {}
        for bank, rows in units:
            pieces = runs(node, map_, rows)
            words = sum(piece.length for piece in pieces)
            if rows in done and words:
                self.emit(core, "v.mov", bank, done[rows], words)
                continue
            done[rows] = bank
            for _, group in groupby(_lines(pieces, map_.line), key=lambda pair: pair[0]):
                lines = [piece for _, piece in group]
                place = Register(bank.name, lines[0].row - rows.start)
                source = self._window(node, map_, lines[0].offset)
                if len(lines) > 1:
                    self.emit(core, "ld2", place, source, lines[0].length, len(lines), map_.line)
                else:
                    self.emit(core, "ld", place, source, lines[0].length)

    def _window(self, node: Node, map_: Map, offset: int = 0) -> Address:
        start = map_.at(-node.padding[0], -node.padding[1]) + offset
        return self.address(
            map_, start, y=node.stride[0] * map_.line, x=node.stride[1] * map_.pitch
        )

    def add_to(self, core: Core, address: Address, words: Register, length: int) -> None:
        """Memory plus words, saturating."""
        old = self.load(core, "sum", address, length)
        self.emit(core, "v.add", old, old, words, length)
        self.emit(core, "st", old, address, length)

    def clear(self, core: Core, map_: Map, value: int = 0) -> None:
        """All words of a map the same."""
        size = min(map_.words, CLEAR)
        zero = self.register("zero")
        self.emit(core, "vset", zero, value, size)
        times, rest = divmod(map_.words, size)
        with self.loop("z", times):
            self.emit(core, "st", zero, self.address(map_, 0, z=size), size)
        if rest:
            self.emit(core, "st", zero, self.address(map_, times * size), rest)

    # ---- steps

    def chain(
        self, units: Sequence[Placed], bank: str, *, along_rows: bool
    ) -> Iterator[tuple[range, Core, Register]]:
        """Partial sums over row tiles in ascending order: for each column tile its columns, and
        where the sum is; or the other way round.
        """

        def tiles(unit: Placed) -> tuple[int, int]:
            c = unit.crossbar
            return (c.column_tile, c.row_tile) if along_rows else (c.row_tile, c.column_tile)

        for _, line in groupby(sorted(units, key=tiles), key=lambda unit: tiles(unit)[0]):
            first, *others = line
            part = first.crossbar.columns if along_rows else first.crossbar.rows
            core, place = first.core, Register(f"m{first.unit}.{bank}")
            for unit in others:
                here = self.bring(place, len(part), core, [unit.core])[unit.core]
                core, place = unit.core, self.register("acc")
                own = Register(f"m{unit.unit}.{bank}")
                self.emit(core, "v.add", place, here, own, len(part))
            yield part, core, place

    def forward_matrix(self, node: Node) -> None:
        units = [u for u in self.units[node.name] if "mvm" in u.crossbar.operations]
        seen, function = result(self.network, node), fused(self.network, node)
        with self.pixels(*node.shape[:2]):
            self.drive(node, units, "mvm_in", f"t.{node.inputs[0]}")
            for unit in units:
                self.emit(unit.core, "mcu", f"m{unit.unit}:mvm")
            for columns, core, place in self.chain(units, "mvm_out", along_rows=True):
                if function:
                    place = self.function(core, function, place, len(columns))
                self.hand_on(seen.name, core, place, columns.start, len(columns))

    def drive(self, node: Node, units: Sequence[Placed], bank: str, name: str) -> None:
        """The windows of all units of a matrix, from the map of this name."""
        for core in sorted({unit.core for unit in units}):
            self.gather(
                node, core, name,
                [(Register(f"m{u.unit}.{bank}"), u.crossbar.rows) for u in units if u.core == core],
            )  # fmt: skip

    def function(self, core: Core, node: Node, place: Register, length: int) -> Register:
        """A function of words."""
        made = self.register("f")
        if node.kind == Kind.RELU:
            self.emit(core, "vi.max", made, place, 0, length)
        elif node.kind in FUNCTIONS:
            fraction = self.plan.fraction(self.network, node.inputs[0])
            self.emit(core, f"vi.{node.kind}", made, place, length, fraction)
        else:
            return place
        return made

    def backward_function(
        self, core: Core, kind: Kind, error: Register, y: Register, length: int
    ) -> Register:
        """An error back through a function with the result ``y``."""
        made = self.register("g")
        if kind == Kind.RELU:
            self.emit(core, "vi.cgt", made, y, 0, length)
            self.emit(core, "v.and", made, made, error, length)
            return made
        one, bits = Scalar(f"={1 << FUNCTION_FRACTION}"), FUNCTION_FRACTION
        if kind == Kind.SIGMOID:
            self.emit(core, "vs.rsub", made, y, one, length)
            self.emit(core, "v.mul", made, made, y, length, bits)
        else:
            self.emit(core, "v.mul", made, y, y, length, bits)
            self.emit(core, "vs.rsub", made, made, one, length)
        self.emit(core, "v.mul", made, made, error, length, bits)
        return made

    def segments(self, channels: int) -> Iterator[tuple[int, int]]:
        for start in range(0, channels, SEGMENT):
            yield start, min(SEGMENT, channels - start)

    def forward_other(self, node: Node) -> None:
        core = self.home(node.name)
        taken = self.maps[core, self._pooled(node)]
        with self.pixels(*node.shape[:2]):
            for channel, length in self.segments(node.shape[2]):
                if node.kind in POOLS:
                    made = self.pool(core, node, taken, channel, length)
                else:
                    made = self.load(core, "a", self.pixel(taken, channel), length)
                    if node.kind == Kind.ADD:
                        other = self.maps[core, f"t.{node.inputs[1]}"]
                        b = self.load(core, "b", self.pixel(other, channel), length)
                        self.emit(core, "v.add", made, made, b, length)
                    else:
                        made = self.function(core, node, made, length)
                self.hand_on(node.name, core, made, channel, length)

    @staticmethod
    def _pooled(node: Node) -> str:
        """The map a node takes that is no matrix."""
        low = node.kind == Kind.MAX_POOL and node.padding != (0, 0)
        return f"t.{node.inputs[0]}{'.low' if low else ''}"

    @contextmanager
    def window(self, node: Node, map_: Map, channel: int) -> Iterator[Address]:
        """Loops over the words of a pool's window."""
        with self.loop("i", node.kernel[0]), self.loop("j", node.kernel[1]):
            yield self._in_window(node, map_, channel)

    def _in_window(self, node: Node, map_: Map, channel: int) -> Address:
        start = self._window(node, map_, channel)
        inner = self.address(map_, start.offset, i=map_.line, j=map_.pitch)
        return Address(map_.name, start.offset, start.steps + inner.steps)

    def pool(self, core: Core, node: Node, map_: Map, channel: int, length: int) -> Register:
        made = self.register("pool")
        largest = node.kind == Kind.MAX_POOL
        self.emit(core, "vset", made, LOW if largest else 0, length)
        with self.window(node, map_, channel) as address:
            word = self.load(core, "w", address, length)
            self.emit(core, "v.max" if largest else "v.add", made, made, word, length)
        if not largest and node.kernel != (1, 1):
            self.multiply(core, made, made, _mean(node), length)
        return made

    def loss(self, step: Step) -> None:
        node, core, plan = step.node, self.home(step.node.name), self.plan
        name, n = node.inputs[0], node.shape[2]
        fraction, error_fraction = plan.fraction(self.network, name), plan.error_fraction(name)
        y = self.load(core, "y", self.pixel(self.maps[core, f"t.{name}"]), n)
        label = self.load(core, "label", Address(LABEL), 1)
        right, target, e = Scalar(f"label{label.name}"), self.register("target"), self.register("e")
        self.emit(core, "vr.sum", right, label, 1)
        self.emit(core, "vs.ceq", target, Register("classes"), right, n)
        one = error_fraction if node.kind == Kind.SOFTMAX else fraction
        self.emit(core, "vs.and", target, target, Scalar(f"={min(1 << one, 32767)}"), n)
        if node.kind == Kind.SOFTMAX:
            greatest, total = Scalar(f"max{label.name}"), Scalar(f"total{label.name}")
            u = self.register("u")
            self.emit(core, "vr.max", greatest, y, n)
            self.emit(core, "vs.rsub", u, y, greatest, n)
            self.emit(core, "vi.exp", u, u, n, fraction)
            self.emit(core, "vr.sum", total, u, n)
            self.emit(core, "vs.div", u, u, total, n, error_fraction)
            self.emit(core, "v.sub", u, u, target, n)
            self.emit(core, "v.satg", e, u, y, n)
        else:
            self.emit(core, "v.sub", e, y, target, n)
            self.multiply(core, e, e, factor(2 / n * 2.0 ** (error_fraction - fraction)), n)
        self.contribute(name, core, e, 0, n, first=step.first)

    def contribute(
        self, tensor: str, core: Core, words: Register, channel: int, length: int, *, first: bool
    ) -> None:
        """Words of an error's pixel (y, x)."""
        home = self.home(tensor)
        here = self.bring(words, length, core, [home])[home]
        address = self.pixel(self.maps[home, f"e.{tensor}"], channel)
        if first:
            self.emit(home, "st", here, address, length)
        else:
            self.add_to(home, address, here, length)

    @contextmanager
    def collect(self, tensor: str, *, first: bool) -> Iterator[Map]:
        """A map, cleared, into which a contribution may be scattered; it counts afterwards."""
        home = self.home(tensor)
        error = self.maps[home, f"e.{tensor}"]
        if first:
            self.clear(home, error)
            yield error
            return
        scratch = Map(f"s.{tensor}", error.shape, error.around)
        self._scratch[home, scratch.name] = scratch
        self.clear(home, scratch)
        yield scratch
        with self.pixels(*error.shape[:2]):
            for channel, length in self.segments(error.shape[2]):
                words = self.load(home, "part", self.pixel(scratch, channel), length)
                self.add_to(home, self.pixel(error, channel), words, length)

    def error_of_matrix(self, node: Node) -> None:
        """``d.m``, at every core the column tiles it has."""
        seen, function = result(self.network, node), fused(self.network, node)
        home = self.home(node.name)
        columns: dict[range, dict[Core, None]] = {}
        for unit in self.units[node.name]:
            columns.setdefault(unit.crossbar.columns, {})[unit.core] = None
        for unit in self.units.get(node.name + FEEDBACK, []):
            columns.setdefault(unit.crossbar.rows, {})[unit.core] = None
        with self.pixels(*node.shape[:2]):
            for part, cores in columns.items():
                length = len(part)
                error = self.maps[home, f"e.{seen.name}"]
                words = self.load(home, "e", self.pixel(error, part.start), length)
                if function:
                    kept = self.pixel(self.maps[home, f"t.{seen.name}"], part.start)
                    y = self.load(home, "y", kept, length)
                    words = self.backward_function(home, function.kind, words, y, length)
                for core, register in self.bring(words, length, home, sorted(cores)).items():
                    kept = self.pixel(self.maps[core, f"d.{node.name}"], part.start)
                    self.emit(core, "st", register, kept, length)

    def return_matrix(self, step: Step) -> None:
        node, tensor = step.node, step.tensor
        home, shape = self.home(tensor), self.network[tensor].shape
        feedback = node.feedback
        units = [
            u
            for u in self.units[node.name + FEEDBACK if feedback else node.name]
            if feedback or "mtvm" in u.crossbar.operations
        ]
        whole = node.kernel == shape[:2] and node.padding == (0, 0)

        def bring_back(map_: Map) -> None:
            with self.pixels(*node.shape[:2]):
                for unit in units:
                    part = unit.crossbar.rows if feedback else unit.crossbar.columns
                    bank = Register(f"m{unit.unit}.{'mvm' if feedback else 'mtvm'}_in")
                    kept = self.pixel(self.maps[unit.core, f"d.{node.name}"], part.start)
                    self.emit(unit.core, "ld", bank, kept, len(part))
                operation = "mvm" if feedback else "mtvm"
                for unit in units:
                    self.emit(unit.core, "mcu", f"m{unit.unit}:{operation}")
                sums = self.chain(units, f"{operation}_out", along_rows=feedback)
                for rows, core, place in sums:
                    pieces = runs(node, map_, rows)
                    if not pieces:
                        continue
                    words = sum(piece.length for piece in pieces)
                    here = self.bring(place, words, core, [home])[home]
                    for piece in pieces:
                        words_of = Register(here.name, here.offset + piece.row - rows.start)
                        address = self._window(node, map_, piece.offset)
                        if whole and step.first:
                            self.emit(home, "st", words_of, address, piece.length)
                        else:
                            self.add_to(home, address, words_of, piece.length)

        if whole:
            bring_back(self.maps[home, f"e.{tensor}"])
        else:
            with self.collect(tensor, first=step.first) as map_:
                bring_back(map_)

    def return_other(self, step: Step) -> None:
        node, tensor = step.node, step.tensor
        core = self.home(node.name)
        error = self.maps[core, f"e.{node.name}"]
        if node.kind in POOLS:
            with self.collect(tensor, first=step.first) as map_:
                self.spread(node, core, error, map_)
            return
        with self.pixels(*node.shape[:2]):
            for channel, length in self.segments(node.shape[2]):
                words = self.load(core, "e", self.pixel(error, channel), length)
                if node.kind in (Kind.RELU, *FUNCTIONS):
                    kept = self.pixel(self.maps[core, f"t.{node.name}"], channel)
                    y = self.load(core, "y", kept, length)
                    words = self.backward_function(core, node.kind, words, y, length)
                self.contribute(tensor, core, words, channel, length, first=step.first)

    def spread(self, node: Node, core: Core, error: Map, map_: Map) -> None:
        """The error of a pool's pixels to the words of their windows."""
        values = self.maps[core, self._pooled(node)]
        with self.pixels(*node.shape[:2]):
            for channel, length in self.segments(node.shape[2]):
                words = self.load(core, "e", self.pixel(error, channel), length)
                if node.kind == Kind.AVG_POOL:
                    if node.kernel != (1, 1):
                        self.multiply(core, words, words, _mean(node), length)
                    with self.window(node, map_, channel) as address:
                        self.add_to(core, address, words, length)
                    continue
                kept = self.pixel(self.maps[core, f"t.{node.name}"], channel)
                y = self.load(core, "y", kept, length)
                left = self.register("left")  # all ones where no winner was found yet
                self.emit(core, "vset", left, -1, length)
                with self.window(node, values, channel) as source:
                    part = self.load(core, "w", source, length)
                    self.emit(core, "v.ceq", part, part, y, length)
                    self.emit(core, "v.and", part, part, left, length)
                    self.emit(core, "v.andn", left, left, part, length)
                    self.emit(core, "v.and", part, part, words, length)
                    self.add_to(core, self._in_window(node, map_, channel), part, length)

    def update(self, node: Node) -> None:
        """Outer products of an example."""
        shift = self.plan.rate(self.network, node, 0).shift
        with self.of(node.name, "update"):
            self.multiplied(node, Scalar(f"rate.{node.name}"), shift)

    def multiplied(self, node: Node, by: Scalar, shift: int) -> None:
        """Outer products of an example, with what is in ``d.m`` multiplied."""
        units, back = self.units[node.name], self.units.get(node.name + FEEDBACK, [])
        with self.pixels(*node.shape[:2]):
            self.drive(node, units, "opa_rows", self.kept(node))
            for core in sorted({unit.core for unit in back}):
                banks = [
                    (Register(f"m{u.unit}.opa_columns"), u.crossbar.columns)
                    for u in back
                    if u.core == core
                ]
                self.gather(node, core, self.kept(node), banks)
            if self.plan.history:
                self.multiply_kept(node, by, shift)
            for unit in (*units, *back):
                feedback = unit in back
                part = unit.crossbar.rows if feedback else unit.crossbar.columns
                bank = Register(f"m{unit.unit}.opa_{'rows' if feedback else 'columns'}")
                kept = self.pixel(self.maps[unit.core, f"d.{node.name}"], part.start)
                if self.plan.history:
                    self.emit(unit.core, "ld", bank, kept, len(part))
                    continue
                error = self.load(unit.core, "d", kept, len(part))
                self.emit(unit.core, "vs.mul", bank, error, by, len(part), shift)
            for unit in (*units, *back):
                self.emit(unit.core, "mcu", f"m{unit.unit}:opa")
            period = self.plan.crs_period
            if self.plan.variant != "V3" and period is not None:
                origin = Origin(node.name, "resolve")
                for core in self.cores(node.name):
                    body = tuple(
                        Op(core, "crs", (f"m{u.unit}",), origin)
                        for u in (*units, *back)
                        if u.core == core
                    )
                    self._blocks[-1].append(Every(core, node.name, period, body, origin))

    def multiply_kept(self, node: Node, by: Scalar, shift: int) -> None:
        """Pixel (y, x) of ``d.m`` where it lies, every word of it that a core has once."""
        for core in self.cores(node.name):
            map_ = self.maps[core, f"d.{node.name}"]
            parts = [u.crossbar.columns for u in self.units[node.name] if u.core == core]
            parts += [
                u.crossbar.rows for u in self.units.get(node.name + FEEDBACK, []) if u.core == core
            ]
            for start, stop in _joined(parts):
                for channel, length in self.segments(stop - start):
                    place = self.pixel(map_, start + channel)
                    words = self.load(core, "d", place, length)
                    self.emit(core, "vs.mul", words, words, by, length, shift)
                    self.emit(core, "st", words, place, length)

    # ---- the whole

    def prologue(self) -> None:
        """Configures all units and feeds the biases."""
        for matrix, units in self.units.items():
            with self.of(matrix.removesuffix(FEEDBACK), "set-up"):
                self.configure(matrix, units)
        for core in self._labels:
            losses = [node for node in self.network.losses if self.home(node.name) == core]
            with self.of(losses[0].name, "set-up"):
                self.number_classes(core, max(node.shape[2] for node in losses))

    def configure(self, matrix: str, units: Sequence[Placed]) -> None:
        """Registers of a matrix's units, and words of XbarIn that stay as they are."""
        feedback = matrix.endswith(FEEDBACK)
        node = self.network[matrix.removesuffix(FEEDBACK)]
        shift = self.plan.mvm_shift(self.network, node)
        back = self.plan.mtvm_shift(node) if returns_error(self.network, node) else 0
        bias = self.network.rows(node) - 1 if node.bias else -1
        one = 1 << self.plan.fraction(self.network, node.inputs[0])
        for unit in units:
            core, m = unit.core, f"m{unit.unit}"
            c = unit.crossbar
            self.emit(core, "mcfg", m, "rows", len(c.rows))
            self.emit(core, "mcfg", m, "columns", len(c.columns))
            self.emit(core, "mcfg", m, "mvm_shift", back if feedback else shift)
            if "mtvm" in c.operations:
                self.emit(core, "mcfg", m, "mtvm_shift", back)
            if self.plan.variant == "V3":
                self.emit(core, "mcfg", m, "eager", 1)
            for bank in ("mvm_in", "opa_rows"):
                self.emit(core, "vset", Register(f"{m}.{bank}"), 0, self.plan.mcu.rows)
            for bank in ("mtvm_in", "opa_columns"):
                self.emit(core, "vset", Register(f"{m}.{bank}"), 0, self.plan.mcu.columns)
            fed = c.columns if feedback else c.rows
            if bias in fed:
                banks = ["opa_columns"] if feedback else ["mvm_in", "opa_rows"]
                for bank in banks:
                    place = Register(f"{m}.{bank}", bias - fed.start)
                    self.emit(core, "vset", place, min(one, 32767), 1)

    def number_classes(self, core: Core, most: int) -> None:
        """0, 1, 2 and so on in a register."""
        classes, made = "classes", 1
        self.emit(core, "vset", Register(classes), 0, 1)
        while made < most:
            length = min(made, most - made)
            place = Register(classes, made)
            self.emit(core, "vi.add", place, Register(classes), made, length)
            made += length

    def buffers(self) -> tuple[Buffer, ...]:
        slots: set[tuple[Core, str]] = set()
        if self.plan.variant == "V2":
            for node in self.network.matrices:
                for core in self.cores(node.name):
                    slots |= {(core, self.kept(node)), (core, f"d.{node.name}")}
        source = self.network.nodes[0].name
        found = []
        for (core, name), map_ in {**self.maps, **self._scratch}.items():
            space = "slot" if (core, name) in slots else "static"
            if name == f"t.{source}":
                space = "example"
            found.append(Buffer(core, name, space, map_.words))
        for core in self._labels:
            found.append(Buffer(core, LABEL, "example", 4))
        return tuple(sorted(found, key=lambda b: (b.core, b.name)))

    def _made_by(self, name: str) -> str:
        """The node that makes a map's tensor; the matrix, if a fused function does."""
        tensor = name.removesuffix(".low")[2:]
        makers = (n.name for n in self.network.matrices if result(self.network, n).name == tensor)
        return next(makers, tensor)

    def fill(self, buffer: Buffer) -> None:
        """Words around an image, and behind its channels, that nobody writes afterwards."""
        map_ = self.maps.get((buffer.core, buffer.name))
        if map_ is None or buffer.space == "example" or not buffer.name.startswith("t."):
            return
        value = LOW if buffer.name.endswith(".low") else 0
        if map_.around == (0, 0) and map_.shape[2] == map_.pitch:
            return
        if buffer.space == "slot" and self.plan.history:
            return  # slots of batches before are there at a start: the host has cleared them once
        if buffer.space == "slot":
            with self.loop("replay", "BATCH"):
                self.clear(buffer.core, map_, value)
        else:
            self.clear(buffer.core, map_, value)

    def make(self) -> LoopProgram:
        with self.loop("example", "BATCH"):
            source = self.network.nodes[0].name
            with self.of(source, "input"):
                self.copy_input()
            for step in self.steps:
                with self.of(step.node.name, _PHASES.get(step.does, "backward")):
                    self.step(step)
            with self.of(source, "input"):
                self.keep_input()
        if self.plan.variant == "V2":
            updated = [step.node for step in self.steps if step.does == Does.UPDATE]
            with self.loop("replay", "BATCH"):
                for node in updated:
                    self.update(node)
            if self.plan.history:
                again = factor(self.plan.momentum)
                with self.loop("age", HISTORY), self.loop("replay", "BATCH"):
                    for node in updated:
                        with self.of(node.name, "update"):
                            self.multiplied(node, Scalar(f"={again.multiplier}"), again.shift)
        if self.plan.variant == "V3":
            for matrix, units in self.units.items():
                with self.of(matrix.removesuffix(FEEDBACK), "resolve"):
                    for unit in units:
                        self.emit(unit.core, "crs", f"m{unit.unit}")
        body = tuple(self._blocks.pop())
        self._blocks.append([])
        self.prologue()
        buffers = self.buffers()
        for buffer in buffers:
            with self.of(self._made_by(buffer.name), "set-up"):
                self.fill(buffer)
        return LoopProgram(buffers, tuple(self._blocks.pop()), body)

    def copy_input(self) -> None:
        """The example, with padding of the least word, for a maximum that takes it at once."""
        node = self.network.nodes[0]
        for core, name in list(self.maps):
            if name == f"t.{node.name}.low":
                with self.pixels(*node.shape[:2]):
                    for channel, length in self.segments(node.shape[2]):
                        source = self.pixel(self.maps[core, f"t.{node.name}"], channel)
                        words = self.load(core, "a", source, length)
                        target = self.pixel(self.maps[core, name], channel)
                        self.emit(core, "st", words, target, length)

    def keep_input(self) -> None:
        """The example as the host has written it, for the batches to come."""
        source = self.network.nodes[0].name
        for core, name in list(self.maps):
            if name == f"k.{source}":
                self.copy(core, self.maps[core, f"t.{source}"], self.maps[core, name])

    def copy(self, core: Core, source: Map, target: Map) -> None:
        """All words of a map into one of the same shape."""
        size = min(target.words, CLEAR)
        times, rest = divmod(target.words, size)
        with self.loop("z", times):
            words = self.load(core, "k", self.address(source, 0, z=size), size)
            self.emit(core, "st", words, self.address(target, 0, z=size), size)
        if rest:
            words = self.load(core, "k", self.address(source, times * size), rest)
            self.emit(core, "st", words, self.address(target, times * size), rest)

    def step(self, step: Step) -> None:
        node = step.node
        matrix = node.kind == Kind.MATRIX
        if step.does == Does.FORWARD:
            self.forward_matrix(node) if matrix else self.forward_other(node)
        elif step.does == Does.LOSS:
            self.loss(step)
        elif step.does == Does.CLEAR:
            home = self.home(step.tensor)
            self.clear(home, self.maps[home, f"e.{step.tensor}"])
        elif step.does == Does.ERROR:
            self.error_of_matrix(node)
        elif step.does == Does.RETURN:
            self.return_matrix(step) if matrix else self.return_other(step)
        elif self.plan.variant != "V2":
            self.update(node)


def around_input(network: Network) -> tuple[int, int]:
    """Rows above and below, and columns left and right, of an example in memory."""
    paddings = [
        node.padding
        for node in network.users(network.nodes[0].name)
        if node.kind in (Kind.MATRIX, Kind.AVG_POOL)
    ]
    return max((y for y, _ in paddings), default=0), max((x for _, x in paddings), default=0)


def _mean(node: Node) -> Factor:
    return factor(1 / (node.kernel[0] * node.kernel[1]))


def _joined(parts: Sequence[range]) -> list[tuple[int, int]]:
    """First word, and the one behind the last, of what ranges cover."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted({(part.start, part.stop) for part in parts}):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found


def _lines(pieces: Sequence[Run], line: int) -> Iterator[tuple[int, Run]]:
    """Pieces with a number that those share which one ``ld2`` gathers."""
    number, lines = 0, 0
    for n, piece in enumerate(pieces):
        before = pieces[n - 1]
        if n and (
            piece.length != before.length
            or piece.offset != before.offset + line
            or piece.length > WORDS_OF_ROW
            or lines == ROWS_OF_WINDOW
        ):
            number, lines = number + 1, 0
        lines += 1
        yield number, piece


def schedule(
    network: Network, plan: TrainPlan, steps: Sequence[Step], placed: Sequence[Placed]
) -> LoopProgram:
    """The loop program of a batch."""
    return Scheduler(network, plan, steps, placed).make()
