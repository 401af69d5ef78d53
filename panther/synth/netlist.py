"""What Yosys' and nextpnr's files say: cells, sizes before mapping, the slowest path."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

Module = Mapping[str, Any]
"""One module of a netlist in Yosys' JSON format."""

CARRY_LUTS = 2
RAM_LUTS = 6
"""LUTs that a carry cell, and 64 bits of distributed RAM, take: four hold the bits, two write."""

_CELLS = "TRELLIS_FF|TRELLIS_DPR16X4|LUT4|CCU2C|PFUMX|L6MUX21|DP16KD|MULT18X18D"
_REGISTERS = re.compile(r"\$s?dff(c?e)?|\$a(l)?dffe?")
TOP = "(top)"
"""Stands for the top module among its submodules."""


class Cells(NamedTuple):
    """Cells of an ECP5, as its data sheet counts them."""

    luts: int
    """LUTs of four inputs, those of carry chains and distributed RAM included."""
    flip_flops: int
    block_rams: int
    """Block RAMs of 18 kbit."""
    multipliers: int
    """Multipliers of 18 x 18 bits."""


class Words(NamedTuple):
    """Bits of a design before it is mapped to any technology."""

    register_bits: int
    memory_bits: int
    """Bits of memories, constant ones included."""
    adder_bits: int
    """Bits of the results of additions, subtractions and comparisons."""
    mux_bits: int
    """Multiplexers of two inputs of one bit."""


class Path(NamedTuple):
    """The slowest path from one register to another."""

    first: str
    """Signal it begins at."""
    last: str
    """Signal it ends at."""
    nanoseconds: float
    routing_nanoseconds: float
    """The part of it spent in wires."""
    levels: int
    """LUTs, and carry chains, it passes."""


def cells(module: Module) -> Cells:
    """Count a mapped module's cells."""
    return _count(Counter(cell["type"] for cell in module["cells"].values()))


def _count(types: Counter[str]) -> Cells:
    return Cells(
        luts=types["LUT4"] + CARRY_LUTS * types["CCU2C"] + RAM_LUTS * types["TRELLIS_DPR16X4"],
        flip_flops=types["TRELLIS_FF"],
        block_rams=types["DP16KD"],
        multipliers=types["MULT18X18D"],
    )


def cells_of_units(module: Module, drivers: Mapping[str, str]) -> dict[str, Cells]:
    """Count the cells of each submodule of a mapped module, most LUTs first.

    A flattened netlist has no submodules. A cell counts to the one whose signal it is named after;
    where LUTs of two submodules were merged this is a choice, not a fact.

    Parameters
    ----------
    module
        The netlist.
    drivers
        The submodule that drives each signal of the top module; what none drives is its own.
    """
    found: dict[str, Counter[str]] = {}
    for name, cell in module["cells"].items():
        unit = drivers.get(signal(name)) or (name.split(".")[0] if "." in name else TOP)
        unit = re.sub(r"_\d+$", "", unit)  # Amaranth's, where a signal has the submodule's name
        found.setdefault(unit, Counter())[cell["type"]] += 1
    counted = {unit: _count(types) for unit, types in found.items()}
    return dict(
        sorted(
            ((unit, count) for unit, count in counted.items() if any(count)),
            key=lambda item: (-item[1].luts, item[0]),
        )
    )


def words(module: Module) -> Words:
    """Measure a module of word-wide cells."""
    registers = memories = adders = muxes = 0
    for cell in module["cells"].values():
        kind = cell["type"]
        size = {
            name: int(value, 2)
            for name, value in cell["parameters"].items()
            if name in ("WIDTH", "S_WIDTH", "SIZE", "Y_WIDTH", "A_WIDTH", "B_WIDTH")
        }
        if _REGISTERS.fullmatch(kind):
            registers += size["WIDTH"]
        elif kind == "$mem_v2":
            memories += size["WIDTH"] * size["SIZE"]
        elif kind in ("$alu", "$add", "$sub", "$neg"):
            adders += size["Y_WIDTH"]
        elif kind in ("$lt", "$le", "$ge", "$gt"):
            adders += max(size["A_WIDTH"], size["B_WIDTH"])
        elif kind == "$mux":
            muxes += size["WIDTH"]
        elif kind == "$pmux":
            muxes += size["WIDTH"] * size["S_WIDTH"]
        elif kind in ("$bmux", "$shiftx"):
            inputs = size["A_WIDTH"] if kind == "$shiftx" else size["WIDTH"] << size["S_WIDTH"]
            muxes += inputs - size.get("WIDTH", size.get("Y_WIDTH", 0))
    return Words(registers, memories, adders, muxes)


def memories_in_logic(log: str) -> tuple[str, ...]:
    """Memories that Yosys has made of flip-flops or LUTs, by name, from its log.

    Case statements that Yosys turns into constant memories, and back, are none of ours.
    """
    found = re.findall(r"^using FF mapping for memory [^.\s]+\.(\S+)$", log, re.MULTILINE)
    return tuple(sorted(name for name in found if "$" not in name))


def signal(cell: str) -> str:
    """Name of the signal a cell stands for: Yosys names cells after what they drive or read."""
    if pin := re.fullmatch(r"(\w+)\[(\d+)\]\.pin", cell):
        return f"pin {pin[1]}[{pin[2]}]"
    return re.split(rf"_(?:{_CELLS})(?:_|$)|\$", cell.removeprefix("dut."))[0]


def slowest_path(report: Mapping[str, Any]) -> tuple[float, Path]:
    """Read nextpnr's report.

    Returns
    -------
    fmax : float
        The highest clock frequency, in MHz.
    path : Path
        What limits it.

    Raises
    ------
    ValueError
        If the design does not have exactly one clock with a path from register to register.
    """
    if len(report["fmax"]) != 1:
        raise ValueError(f"Design must have one clock, not {', '.join(report['fmax']) or 'none'}")
    ((clock, frequency),) = report["fmax"].items()
    edge = f"posedge {clock}"
    (found,) = [p for p in report["critical_paths"] if p["from"] == edge == p["to"]]
    hops = found["path"]
    return frequency["achieved"], Path(
        first=signal(hops[0]["from"]["cell"]),
        last=signal(hops[-1]["to"]["cell"]),
        nanoseconds=sum(hop["delay"] for hop in hops),
        routing_nanoseconds=sum(hop["delay"] for hop in hops if hop["type"] == "routing"),
        # a hop without delay, or from cell to cell of a chain, is inside one carry chain
        levels=sum(hop["type"] == "logic" and hop["delay"] > 0.2 for hop in hops),
    )
