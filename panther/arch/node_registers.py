"""What a host sees of a node: control registers, and the memories' address map.

Control registers are 32 bits wide. Page 0 of 4 KiB is the node's, page ``1 + t`` that of tile
``t``; inside of it every unit of the tile has a block. Memories and cells lie in an address map of
their own, words of 64 bits, 64 MiB for each tile. Whatever of these a node does not have is
answered with DECERR; what cannot be done now, or not at all, with SLVERR.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from panther.arch.checks import check_range
from panther.arch.core import (
    ADDRESS_BITS,
    FAULT_BITS,
    LANES,
    MAX_MCUS,
    MAX_MEMORY_WORDS,
    CoreParams,
    Fault,
)
from panther.arch.node import NodeParams
from panther.arch.node import counter_names as router_counter_names
from panther.arch.registers import Access, Bits, Register, c_header, markdown
from panther.arch.tile import (
    CORE_COUNTERS,
    FIFO_BITS,
    MAX_CORES,
    MCU_COUNTERS,
    SEQUENCER,
    TILE_BITS,
    TILE_COUNTERS,
    TILE_FAULT_BITS,
    TILE_WAIT_BITS,
    UNITS,
    TileFault,
    TileParams,
    TileWait,
    counter_names,
)

MAGIC = int.from_bytes(b"PNTH", "big")
VERSION = 2, 0
"""Of this map: major, minor. A greater minor number only adds registers."""

PAGE_BYTES = 1 << 12
UNIT_OFFSET = 0x400
"""First block of a unit in a tile's page."""
UNIT_BYTES = 0x40
MAX_TILES = 1 << TILE_BITS
MAX_SLICES = 32
TILES_PER_WORD = 32
MOST = TileParams(core=CoreParams(mcus=MAX_MCUS), cores=MAX_CORES)
"""A tile with as many counters as there can be."""

_PC_BITS = ADDRESS_BITS + 1
_MOST_GROUPS = MAX_MEMORY_WORDS // LANES
_GROUP_BITS = (_MOST_GROUPS - 1).bit_length()


def _flag(name: str, lsb: int, meaning: str) -> Bits:
    return Bits(name, lsb, 1, meaning)


def _units(meaning: str) -> tuple[Bits, ...]:
    return (Bits("units", 0, UNITS, meaning),)


def _tiles(meaning: str) -> tuple[Bits, ...]:
    return (Bits("tiles", 0, TILES_PER_WORD, meaning),)


_WHOLE = 32

NODE_REGISTERS = (
    Register("magic", 0x00, Access.RO, (Bits("magic", 0, _WHOLE, "PNTH", MAGIC),),
             "Tells a node from anything else."),
    Register("version", 0x04, Access.RO, (
        Bits("minor", 0, 16, "Grows with every addition.", VERSION[1]),
        Bits("major", 16, 16, "Another number, another map.", VERSION[0]),
    ), "Version of this map."),
    Register("mesh", 0x08, Access.RO, (
        Bits("width", 0, 9, "Tiles from west to east."),
        Bits("height", 16, 9, "Tiles from north to south."),
    ), "Size of the mesh."),
    Register("units", 0x0C, Access.RO, (
        Bits("cores", 0, 4, "Cores of a tile."),
        Bits("mcus", 8, 4, "Matrix units of a core."),
        Bits("fifos", 16, 5, "Receive queues of a tile."),
        Bits("fifo_rows", 24, 7, "Rows of 256 bits in a queue."),
    ), "What a tile has."),
    Register("crossbar", 0x10, Access.RO, (
        Bits("rows", 0, 9, "Word lines."),
        Bits("columns", 16, 9, "Bit lines."),
    ), "Size of a matrix unit."),
    Register("slices", 0x14, Access.RO, (
        Bits("count", 0, 6, "Slices of a weight."),
        Bits("value_bits", 8, 4, "Weight bits of a slice."),
    ), "How a weight is spread over cells."),
    Register("core_sizes", 0x18, Access.RO, (
        Bits("instructions", 0, 14, "Words of a core's instruction memory."),
        Bits("registers", 16, 12, "General registers."),
    ), "Size of a core."),
    Register("tile_sizes", 0x1C, Access.RO, (
        Bits("instructions", 0, 14, "Words of a sequencer's instruction memory."),
    ), "Size of a tile."),
    Register("start", 0x20, Access.WO, (_flag("start", 0, "Writing 1 starts."),),
             "Starts every armed unit of every tile, all in the same cycle."),
    Register("clear_counters", 0x24, Access.WO, (_flag("clear", 0, "Writing 1 clears."),),
             "Clears the performance counters of all tiles and routers, in the same cycle."),
    Register("memory_size", 0x28, Access.RO, (
        Bits("groups", 0, _MOST_GROUPS.bit_length(), "Groups of four words."),
    ), "Size of a tile's memory."),
    Register("interrupt", 0x40, Access.RO,
             _tiles("Bit t mod 32: an interrupt enabled in tile t is pending."),
             "Where to look; the pin `irq` is high while any of these bits is.",
             MAX_TILES // TILES_PER_WORD),
    Register("active", 0x60, Access.RO,
             _tiles("Bit t mod 32: a unit of tile t is running or held."),
             "Which tiles are not done.", MAX_TILES // TILES_PER_WORD),
    Register("cell_bits", 0x80, Access.RO, (Bits("bits", 0, 5, "Bits of a cell."),),
             "Width of the signed cell of each slice, slice 0 first.", MAX_SLICES),
)  # fmt: skip
"""Page 0."""

_HALT_FAULT = (
    Bits("halt", 0, UNITS, "Bit u: unit u has halted."),
    Bits("fault", 16, UNITS, "Bit u: unit u has stopped for a fault."),
)
_TRANSFER = (
    _flag("busy", 0, "It has work."),
    Bits("wait", 4, TILE_WAIT_BITS, "What it waits for, or waited for in vain.", values=TileWait),
    Bits("tile", 8, TILE_BITS, "The other tile."),
    Bits("fifo", 16, FIFO_BITS, "The queue."),
)
_PLACE = (
    Bits("pc", 0, ADDRESS_BITS, "Address of its instruction."),
    Bits("group", ADDRESS_BITS, _GROUP_BITS, "Group of the memory it waits for, or did."),
)

TILE_REGISTERS = (
    Register("arm", 0x00, Access.RW, _units("Bit u: unit u begins with the next start."),
             "Units that take part in a start; stays as it is."),
    Register("hold", 0x04, Access.RW, _units("Bit u: unit u is held."),
             "Units that stop before their next instruction."),
    Register("step", 0x08, Access.WO, _units("Bit u: unit u does one instruction."),
             "Steps of units that are held."),
    Register("reset", 0x0C, Access.RW, _units("Bit u: unit u is in reset."),
             "Units kept in reset, the sequencer together with send and receive unit."),
    Register("running", 0x10, Access.RO, _units("Bit u: unit u runs."), "Units that run."),
    Register("held", 0x14, Access.RO, _units("Bit u: unit u has stopped where it is held."),
             "Units that have stopped where they are held."),
    Register("interrupt_enable", 0x18, Access.RW, _HALT_FAULT,
             "Which pending interrupts reach the pin `irq`."),
    Register("interrupt", 0x1C, Access.W1C, _HALT_FAULT, "Pending interrupts."),
    Register("send_status", 0x20, Access.RO, _TRANSFER, "The send unit."),
    Register("send_place", 0x24, Access.RO, _PLACE, "Where the send unit is."),
    Register("receive_status", 0x28, Access.RO, _TRANSFER, "The receive unit."),
    Register("receive_place", 0x2C, Access.RO, _PLACE, "Where the receive unit is."),
    Register("router_counter", 0x300, Access.RO, (Bits("count", 0, _WHOLE, "How many; wraps."),),
             "Performance counters of the tile's router: flits and blocked of its outputs local, "
             "north, east, south, west.", len(router_counter_names())),
    Register("counter", 0x680, Access.RO, (Bits("count", 0, _WHOLE, "How many; wraps."),),
             f"Performance counters of the tile: {', '.join(TILE_COUNTERS)}; then of each core "
             f"{', '.join(CORE_COUNTERS)}, and of each of its matrix units "
             f"{', '.join(MCU_COUNTERS)}.", len(counter_names(MOST))),
)  # fmt: skip
"""A tile's page. Bit u of a set of units is core u, bit 8 the sequencer."""
FAULT_LSB = next(
    register for register in TILE_REGISTERS if register.name == "interrupt"
).field("fault").lsb  # fmt: skip
"""Of the tile's `interrupt`: the bit that says a fault has stopped unit 0."""

UNIT_REGISTERS = (
    Register("start_pc", 0x00, Access.RW, (Bits("pc", 0, ADDRESS_BITS, "Address."),),
             "Where the next start begins."),
    Register("status", 0x04, Access.RO, (
        _flag("running", 0, "It runs."),
        _flag("held", 1, "It has stopped where it is held."),
        Bits("fault", 8, TILE_FAULT_BITS, "Why it stopped; 0 if not for a fault."),
        Bits("pc", 16, _PC_BITS, "Address of the fault, else of the instruction it is at."),
    ), "What it does."),
    Register("cycle", 0x08, Access.RO, (Bits("cycle", 0, _WHOLE, "Cycles since the start."),),
             "Cycle of the fault, else the present one."),
    Register("wait", 0x0C, Access.RO, (
        Bits("kind", 0, TILE_WAIT_BITS, "What it waits for, or waited for in vain.",
             values=TileWait),
        Bits("group", 8, _GROUP_BITS, "Group of the memory it waits for, or did."),
    ), "What it waits for."),
    Register("execute_low", 0x10, Access.RW, (Bits("word", 0, _WHOLE, "Bits 31 to 0."),),
             "Lower half of an instruction to carry out. Cores only."),
    Register("execute_high", 0x14, Access.WO, (Bits("word", 0, _WHOLE, "Bits 63 to 32."),),
             "Upper half; writing it has the core carry out the instruction, which it refuses "
             "(SLVERR) while it runs, is in reset or has yet to end the one before. Cores only."),
    Register("execute_status", 0x18, Access.RO, (
        _flag("busy", 0, "The instruction is being carried out."),
        Bits("fault", 8, FAULT_BITS, "What was wrong with it; 0 if nothing."),
    ), "What became of the instruction. Cores only."),
    Register("scalar", 0x1C, Access.RO, (Bits("value", 0, _WHOLE, "Two's complement."),),
             "Value last written to a scalar register, s0 included. Cores only."),
)  # fmt: skip
"""Block of a core, or of the sequencer."""
STATUS, WAIT, EXECUTE_STATUS = (
    next(register for register in UNIT_REGISTERS if register.name == name)
    for name in ("status", "wait", "execute_status")
)
TRANSFER_STATUS, TRANSFER_PLACE = (
    next(register for register in TILE_REGISTERS if register.name == name)
    for name in ("send_status", "send_place")
)
"""Of the send unit; those of the receive unit are alike."""
_CORE_ONLY = ("execute_low", "execute_high", "execute_status", "scalar")

TILE_BYTES = 1 << 26
WORD_BYTES = 8


@dataclass(frozen=True)
class Window:
    """A part of a tile's memory map."""

    name: str
    offset: int
    strides: tuple[tuple[str, int], ...]
    """What its addresses count, each with its stride in bytes."""
    meaning: str

    def address(self, *indices: int) -> int:
        """Offset from the beginning of the tile's 64 MiB."""
        return self.offset + sum(
            index * stride for (_, stride), index in zip(self.strides, indices, strict=True)
        )


WORDS = Window(
    "words", 0, (("group", WORD_BYTES),),
    "The tile's memory: a group of four words. Writing makes the group valid, without readers; a "
    "write must have all bytes of a word or none.",
)  # fmt: skip
STATES = Window(
    "states", 4 << 20, (("group", WORD_BYTES),),
    "State of a group: bit 0 valid, bits 9:1 its readers.",
)  # fmt: skip
PROGRAM = Window(
    "program", 8 << 20, (("unit", 1 << 16), ("instruction", WORD_BYTES)),
    "Instruction memory of core u, or of the sequencer (unit 8). Write-only; while the unit does "
    "not run.",
)  # fmt: skip
CELLS = Window(
    "cells", 1 << 25,
    (("core", 1 << 22), ("mcu", 1 << 19), ("row", 1 << 11), ("column", WORD_BYTES)),
    "Cells of a weight, slice 0 in the lowest bits, each as wide as it is; of the columns in use. "
    "While the core does not run and its matrix unit is idle. A row is written when the burst "
    "goes on to another one or ends, so errors come with the burst's response.",
)  # fmt: skip
WINDOWS = (WORDS, STATES, PROGRAM, CELLS)
"""A tile's memories. Groups and instructions beyond the size of the memory do not exist. Writes to
all but ``words`` must have all bytes; a write without any byte does nothing."""


def check_host(params: NodeParams) -> None:
    """Refuse a node whose weights do not fit a word of the host's.

    Raises
    ------
    ValueError
        If the cells of a weight have more than 64 bits.
    """
    bits = sum(params.tile.core.mcu.slices.cell_bits)
    if bits > 8 * WORD_BYTES:
        raise ValueError(
            f"Cells of a weight must have at most {8 * WORD_BYTES} bits in a node, not {bits}"
        )


def units(params: NodeParams) -> tuple[int, ...]:
    """Numbers of the units a tile has: cores, then the sequencer."""
    return *range(params.tile.cores), SEQUENCER


def node_registers(params: NodeParams) -> tuple[Register, ...]:
    """The registers page 0 of this node has, those that are constant with their values."""
    mcu, tile, core = params.tile.core.mcu, params.tile, params.tile.core
    constants = {
        "mesh": (params.width, params.height),
        "units": (tile.cores, core.mcus, tile.fifos, tile.fifo_rows),
        "crossbar": (mcu.rows, mcu.columns),
        "slices": (mcu.slices.count, mcu.slices.value_bits),
        "core_sizes": (core.instructions, core.registers),
        "tile_sizes": (tile.instructions,),
        "memory_size": (tile.groups,),
    }
    words = -(-params.tiles // TILES_PER_WORD)
    counts = {"interrupt": words, "active": words, "cell_bits": mcu.slices.count}
    found = []
    for register in NODE_REGISTERS:
        if register.name in constants:
            values = zip(register.fields, constants[register.name], strict=True)
            register = replace(
                register, fields=tuple(replace(field, reset=value) for field, value in values)
            )
        found.append(replace(register, count=counts.get(register.name, register.count)))
    return tuple(found)


def tile_registers(params: NodeParams) -> tuple[Register, ...]:
    """The registers a tile's page has in this node; those of unit u are called ``u3_status``."""
    names = counter_names(params.tile)
    found = [
        replace(register, count=len(names)) if register.name == "counter" else register
        for register in TILE_REGISTERS
    ]
    for unit in units(params):
        found += [
            replace(
                register,
                name=f"u{unit}_{register.name}",
                offset=unit_offset(unit) + register.offset,
            )
            for register in UNIT_REGISTERS
            if unit != SEQUENCER or register.name not in _CORE_ONLY
        ]
    return tuple(found)


def unit_offset(unit: int) -> int:
    """Where the block of a unit begins in its tile's page."""
    check_range("Unit", unit, 0, UNITS - 1)
    return UNIT_OFFSET + UNIT_BYTES * unit


def control_bits(params: NodeParams) -> int:
    """Width of an address of the control registers."""
    return (PAGE_BYTES * (1 + params.tiles) - 1).bit_length()


def memory_bits(params: NodeParams) -> int:
    """Width of an address of the memories."""
    return (TILE_BYTES * params.tiles - 1).bit_length()


def _offset(registers: Sequence[Register], name: str, index: int) -> int:
    for register in registers:
        if register.name == name:
            check_range(f"Index of {name}", index, 0, register.count - 1)
            return register.offset + 4 * index
    names = ", ".join(register.name for register in registers)
    raise ValueError(f"Register must be one of {names}, not {name!r}")


def node_address(name: str, index: int = 0) -> int:
    """Control address of a register of the node.

    Raises
    ------
    ValueError
        If there is no such register.
    """
    return _offset(NODE_REGISTERS, name, index)


def tile_address(tile: int, name: str, index: int = 0) -> int:
    """Control address of a register of a tile.

    Raises
    ------
    ValueError
        If there is no such tile or register.
    """
    check_range("Tile", tile, 0, MAX_TILES - 1)
    return PAGE_BYTES * (1 + tile) + _offset(TILE_REGISTERS, name, index)


def unit_address(tile: int, unit: int, name: str) -> int:
    """Control address of a register of core ``unit``, or of the sequencer (unit 8).

    Raises
    ------
    ValueError
        If there is no such tile, unit or register.
    """
    check_range("Tile", tile, 0, MAX_TILES - 1)
    return PAGE_BYTES * (1 + tile) + unit_offset(unit) + _offset(UNIT_REGISTERS, name, 0)


def memory_address(tile: int, window: Window, *indices: int) -> int:
    """Address of a word of a tile's memories: ``memory_address(3, CELLS, core, mcu, row, column)``.

    Raises
    ------
    ValueError
        If there is no such tile.
    """
    check_range("Tile", tile, 0, MAX_TILES - 1)
    return TILE_BYTES * tile + window.address(*indices)


def header() -> str:
    """``docs/panther_node.h``: both maps for a host's C programs."""
    lines = [
        "/* Control registers and memories of a PANTHER node; generated, do not edit */",
        "#ifndef PANTHER_NODE_MAP_H",
        "#define PANTHER_NODE_MAP_H",
        "",
        "/* control: page 0 is the node's; registers of a tile and of a unit count from here */",
        f"#define PANTHER_TILE(tile) ({PAGE_BYTES:#x}u * (1u + (tile)))",
        "#define PANTHER_UNIT(tile, unit) \\",
        f"    (PANTHER_TILE(tile) + {UNIT_OFFSET:#x}u + {UNIT_BYTES:#x}u * (unit))",
        f"#define PANTHER_SEQUENCER {SEQUENCER}u",
        "",
        "/* memories, 64 bits a word */",
        f"#define PANTHER_MEMORY(tile) ({TILE_BYTES:#x}ull * (tile))",
    ]
    for window in WINDOWS:
        names = ["tile", *(name for name, _ in window.strides)]
        terms = [f"{stride:#x}ull * ({name})" for name, stride in window.strides]
        lines.append(
            f"#define PANTHER_{window.name.upper()}({', '.join(names)}) \\\n"
            f"    (PANTHER_MEMORY(tile) + {window.offset:#x}ull + {' + '.join(terms)})"
        )
    faults = {int(fault): fault.name for fault in (*Fault, *TileFault)}
    lines += ["", "/* causes of faults */"]
    lines += [f"#define PANTHER_FAULT_{faults[n]} {n}u" for n in sorted(faults)]
    maps = (
        ("Registers of the node", "PANTHER_NODE", NODE_REGISTERS),
        ("Registers of a tile", "PANTHER_TILE", TILE_REGISTERS),
        ("Registers of a unit", "PANTHER_UNIT", UNIT_REGISTERS),
    )
    text = "\n".join(lines) + "\n"
    for title, prefix, registers in maps:
        text += f"\n{c_header(title, prefix, registers)}"
    return f"{text}\n#endif /* PANTHER_NODE_MAP_H */\n"


_INTRODUCTION = """\
# Registers and memories of a node

Made from `panther/arch/node_registers.py` by `make registers`, as is
[panther_node.h](panther_node.h); do not edit. Sizes are the greatest there are; of constants, the
values are the node's.

A host reaches a node through two buses, which may be used at the same time:

- AXI4-Lite, 32 bits: the control registers. Page 0 of 4 KiB is the node's, page 1 + t that of tile
  t.
- AXI4, 64 bits, INCR bursts: memories, programs and cells, 64 MiB for each tile.

Every access is answered. DECERR: there is nothing at the address, in this node. SLVERR: it is
refused, and nothing is done: a register written that can only be read, or read that can only be
written; a cell or a program while its core runs, works or is in reset; part of a word written.

To run a program, write it, arm the units that run it, give each its address, and write `start`.
Each unit raises its interrupt when it halts or stops for a fault; a reset of the unit raises none.
A unit that is armed when another start comes starts again, if it does not run.

To read or write a core's registers while it does not run, have it carry out an instruction that
is not in its program: write `execute_low`, then `execute_high`, wait until `execute_status` is not
busy, and look at its fault; what the instruction writes to a scalar register is in `scalar`.

Faults have the numbers of `Fault` and, of a sequencer, `TileFault` in `panther/arch`; see
[isa.md](isa.md#faults).
"""


_SETS_OF_UNITS = f"""\
In a set of units, bit u is core u and bit {SEQUENCER} the sequencer; bits of units that do not
exist are 0.
"""
_MEMORIES = f"""\
{WORD_BYTES} bytes a word. Writes to all but `words` must have all bytes; a write without any byte
does nothing.
"""


def manual() -> str:
    """The whole text of ``docs/registers.md``."""
    rows = []
    for window in WINDOWS:
        terms = [f"{window.offset:#x}", *(f"{step:#x} {name}" for name, step in window.strides)]
        rows.append(f"| {' + '.join(terms)} | **{window.name}** | {window.meaning} |")
    tile_title = f"## Tile t: from {PAGE_BYTES:#x} (1 + t)"
    unit_title = f"## Unit u of a tile: from {UNIT_OFFSET:#x} + {UNIT_BYTES:#x} u of its page"
    parts = [
        _INTRODUCTION,
        "## Node: page 0\n",
        markdown(NODE_REGISTERS),
        f"{tile_title}\n\n{_SETS_OF_UNITS}",
        markdown(TILE_REGISTERS),
        f"{unit_title}\n",
        markdown(UNIT_REGISTERS),
        f"## Memories of tile t: from {TILE_BYTES:#x} t\n\n{_MEMORIES}",
        "| offset | window | meaning |\n|---|---|---|",
    ]
    return "\n".join([*parts, *rows, ""])
