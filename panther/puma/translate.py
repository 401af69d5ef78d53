"""Assembly text for every core and sequencer of our node.

Registers of the text become banks of the register file: ``m*384`` of the inputs ``mN.mvm_in`` and
so on, 1536 and above ``r0`` and so on. A line of the text becomes one instruction, beside those
that put an address into ``s1``; ``set`` keeps its register as well, for it may be read as a word.

Words that the host stores have no readers, and the send unit takes only what is meant for it. So
cores of tile 0 load the inputs, free their words and store them again, for the send unit.
"""

from panther.arch.core import CoreParams
from panther.arch.mcu import InBank
from panther.arch.node import NodeParams
from panther.arch.tile import SEND_READER, TileParams
from panther.puma.masks import INPUT_TILE, Buffer, Plan
from panther.puma.text import (
    GENERAL,
    INPUTS,
    MATRIX_OPERATIONS,
    MCUS,
    SEQUENCER,
    Instruction,
    PumaError,
    PumaProgram,
    Unit,
)

_BANK = 128
_OUTPUTS = GENERAL // 2
_OPA_COLUMNS = 2
"""Bank of the outputs that is an input in truth."""
_FORMATS = {"alu add": "v.add {d}, {a}, {b}, {n}", "alu sub": "v.sub {d}, {a}, {b}, {n}",
            "alu relu": "vi.max {d}, {a}, 0, {n}", "copy": "v.mov {d}, {a}, {n}",
            "set": "vset {d}, {imm}, {n}"}  # fmt: skip
_IN_NAMES = {
    InBank.MVM: "mvm_in", InBank.MTVM: "mtvm_in", InBank.OPA_ROWS: "opa_rows",
    InBank.OPA_COLUMNS: "opa_columns",
}  # fmt: skip
_IMMEDIATE = range(-4096, 4096)
"""Of ``vi.mul``."""
_POINT = 12
"""Fraction bits of a constant."""


def node_for(program: PumaProgram) -> NodeParams:
    """The paper's tiles in a row, as many as the program has, with a queue for each sender.

    Tiles have the least number of cores and as many instructions and registers as it needs.
    """
    vectors = [
        line.operands[key] + line.length
        for lines in program.units.values()
        for line in lines
        for key in ("d1", "r1", "r2")
        if key in line.operands
    ]
    core = CoreParams(mcus=MCUS)
    registers = max(core.registers, -(-(max(vectors, default=0) - GENERAL) // 4) * 4)
    # a line is at most three instructions; there is more before the first one
    longest = 3 * max(len(lines) for lines in program.units.values()) + 4 * len(program.units)
    core = CoreParams(
        mcus=MCUS, registers=min(registers, 2048), instructions=max(core.instructions, longest)
    )
    senders = [
        line.operands["vtile_id"]
        for lines in program.units.values()
        for line in lines
        if line.name == "send"
    ]
    tile = TileParams(
        core=core, cores=program.cores, fifos=1 + max(senders, default=0),
        instructions=max(TileParams().instructions, longest),
    )  # fmt: skip
    return NodeParams(tile=tile, width=program.tiles, height=1)


def translate(program: PumaProgram, plan: Plan, params: NodeParams, shift: int) -> dict[Unit, str]:
    """Write the programs of all units that have something to do.

    Parameters
    ----------
    program, plan
        What the text says, and who reads what.
    params
        The node.
    shift
        Requantisation shift of MVM and MTVM.

    Returns
    -------
    dict
        Assembly text by tile and unit.

    Raises
    ------
    PumaError
        If a line is nothing the node can do, or the program does not fit it.
    """
    _check_size(program, params, shift)
    texts = {}
    for unit, lines in program.units.items():
        writer = _Writer(unit, plan, params)
        if unit[1] != SEQUENCER:
            writer.configure(lines, shift)
            if unit[0] == INPUT_TILE:
                writer.arm(program.cores)
        for number, line in enumerate(lines):
            writer.line(number, line)
        if len(writer.found) > 1:
            texts[unit] = "\n".join([f"; {lines[0].where.rpartition(':')[0]}", *writer.found, ""])
    return texts


def _check_size(program: PumaProgram, params: NodeParams, shift: int) -> None:
    tile = params.tile
    if program.tiles > params.tiles or program.cores > tile.cores:
        raise PumaError(
            f"{program.name} must have at most {params.tiles} tiles of {tile.cores} cores, "
            f"not {program.tiles} of {program.cores}"
        )
    if not 0 <= shift < tile.core.mcu.sum_bits:
        raise PumaError(
            f"Shift must be in the range [0, {tile.core.mcu.sum_bits - 1}], not {shift}"
        )


class _Writer:
    """Writes the program of one unit."""

    def __init__(self, unit: Unit, plan: Plan, params: NodeParams) -> None:
        self._unit, self._plan, self._params = unit, plan, params
        self._core = params.tile.core
        self._base: int | None = None
        self.found: list[str] = []

    def _add(self, text: str, line: Instruction | None = None) -> None:
        comment = "" if line is None else f"; {line.where.rpartition(':')[2]}"
        self.found.append(f"        {text:60}{comment}".rstrip())

    def configure(self, lines: tuple[Instruction, ...], shift: int) -> None:
        """Set the shifts of the matrix units in use."""
        for m in range(MCUS):
            used = frozenset[str]().union(
                *(line.operations[m] for line in lines if line.operations)
            )
            if used and m >= self._core.mcus:
                raise PumaError(
                    f"{lines[0].where.rpartition(':')[0]}: matrix units must be the node's "
                    f"{self._core.mcus}, not {MCUS}"
                )
            for name in MATRIX_OPERATIONS[:2]:
                if name in used:
                    self._add(f"mcfg m{m}, {name}_shift, {shift}")

    def arm(self, cores: int) -> None:
        """Give the send unit its share of what the host has stored."""
        mine = [
            self._plan.used[place]
            for n, place in enumerate(self._plan.inputs)
            if n % cores == self._unit[1]
        ]
        for buffer in mine:
            self._point(buffer)
            self._add(f"ld r0, s1, 0, {buffer.length}")
            self._add(f"inv s1, 0, {buffer.length}")
            self._add(f"st r0, s1, 0, {buffer.length}, {1 << SEND_READER}")
        if mine:
            longest = max(buffer.length for buffer in mine)
            if longest > self._core.registers:
                raise PumaError(
                    f"Messages of tile {INPUT_TILE} must have at most {self._core.registers} "
                    f"words, not {longest}"
                )
            self._add(f"vset r0, 0, {longest}")

    def _point(self, buffer: Buffer) -> None:
        size = self._core.memory_words
        if buffer.place + buffer.length > size:
            raise PumaError(
                f"Words {buffer.address} of tile {buffer.tile} must lie within {size}, and would "
                f"at {buffer.place}"
            )
        if self._base != buffer.place:
            self._base = buffer.place
            self._add(f"sset s1, {buffer.place}")

    def line(self, number: int, line: Instruction) -> None:
        """One line of the text."""
        place = (*self._unit, number)
        operands, n = line.operands, line.length
        if (buffer := self._plan.used.get(place)) is not None:
            self._point(buffer)
            readers = self._plan.readers.get(place, 0)
            take = ", take" if place in self._plan.takes else ""
        if line.name == "load":
            self._add(f"ld {self._bank(line, 'd1')}, s1, 0, {n}{take}", line)
        elif line.name == "store":
            self._add(f"st {self._bank(line, 'r1')}, s1, 0, {n}, {readers}", line)
        elif line.name == "send":
            queue = operands["vtile_id"]
            if queue >= self._params.tile.fifos:
                raise PumaError(
                    f"{line.where}: vtile_id must be one of {self._params.tile.fifos} queues, "
                    f"not {queue}"
                )
            self._add(f"send s1, 0, {n}, {operands['target_addr']}, {queue}", line)
        elif line.name == "receive":
            self._add(f"recv s1, 0, {n}, {operands['vtile_id']}, {readers}", line)
        elif line.name in ("hlt", "halt"):
            self._add("hlt", line)
        elif line.operations:
            units = [
                f"m{m}:{'+'.join(name for name in MATRIX_OPERATIONS if name in operations)}"
                for m, operations in enumerate(line.operations)
                if operations
            ]
            if units:
                self._add(f"mcu {', '.join(units)}", line)
        else:
            self._vector(line)

    def _vector(self, line: Instruction) -> None:
        operands, n = line.operands, line.length
        d = self._bank(line, "d1")
        for key in ("r1", "r2"):
            if key in operands and 0 < operands["d1"] - operands[key] < n:
                raise PumaError(
                    f"{line.where}: d1 must not begin within what {key} has yet to give"
                )
        names = {"a": "r1", "b": "r2"}
        given = {name: self._bank(line, key) for name, key in names.items() if key in operands}
        if line.name != "alui mul":
            text = _FORMATS[line.name].format(d=d, n=n, imm=operands.get("imm"), **given)
        elif operands["imm"] in _IMMEDIATE:
            text = f"vi.mul {d}, {given['a']}, {operands['imm']}, {n}, {_POINT}"
        else:
            self._add(f"sset s2, {operands['imm']}", line)
            text = f"vs.mul {d}, {given['a']}, s2, {n}, {_POINT}"
        self._add(text, line)

    def _bank(self, line: Instruction, key: str) -> str:
        """The name of a vector of registers."""
        first, n = line.operands[key], line.length
        core, mcu = self._core, self._core.mcu
        if first >= GENERAL:
            if first - GENERAL + n > core.registers:
                raise PumaError(
                    f"{line.where}: registers must be below {GENERAL + core.registers}, not "
                    f"{first} to {first + n - 1}"
                )
            return f"r{first - GENERAL}"
        outputs, rest = divmod(first, _OUTPUTS)
        m, rest = divmod(rest, INPUTS)
        bank, offset = divmod(rest, _BANK)
        if outputs and bank != _OPA_COLUMNS:
            name, lines = (("mvm_out", mcu.columns), ("mtvm_out", mcu.rows))[bank]
            if key == "d1":
                raise PumaError(
                    f"{line.where}: results of a matrix unit must not be written: register {first}"
                )
        else:
            number = InBank.OPA_COLUMNS if outputs else InBank(bank)
            name, lines = _IN_NAMES[number], core.in_lines(number)
        if m >= core.mcus or offset + n > lines:
            raise PumaError(
                f"{line.where}: registers {first} to {first + n - 1} must be those of one of "
                f"{core.mcus} matrix units with {mcu.rows} rows and {mcu.columns} columns"
            )
        return f"m{m}.{name}" + (f" + {offset}" if offset else "")
