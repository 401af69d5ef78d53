"""The recorded numbers, docs/synthesis.json: what they are compared with, and their tables."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from panther.synth.flow import DEVICE_NAME, LUTS_OF_DEVICE, SEED, Cost, Layout, Synthesis
from panther.synth.netlist import Cells, Words
from panther.synth.netlist import Path as TimingPath
from panther.synth.targets import TARGETS

FILE = Path(__file__).resolve().parents[2] / "docs" / "synthesis.json"
PAGE = FILE.with_suffix(".md")
TOLERANCE = 0.1
BEGIN, END = "<!-- from synthesis.json -->", "<!-- end -->"

_SHOWN_UNITS = 6


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Everything measured of one design."""

    synthesis: Synthesis
    layout: Layout | None
    """None where it was not placed and routed."""

    def figures(self) -> dict[str, float]:
        """The numbers that are compared, by name with unit."""
        cells = self.synthesis.cells
        found: dict[str, float] = {
            "LUTs": cells.luts,
            "flip-flops": cells.flip_flops,
            "block RAMs": cells.block_rams,
            "multipliers": cells.multipliers,
        }
        if self.layout is not None:
            found["Fmax in MHz"] = round(self.layout.fmax_mhz, 1)
        return found


def differences(measured: Entry, recorded: Entry) -> list[str]:
    """Every number that is off by more than a tenth, one line each, and new memories in logic.

    Without Fmax in one of the two, Fmax is not compared.
    """
    found = []
    before = recorded.figures()
    for name, value in measured.figures().items():
        if name in before and abs(value - before[name]) > TOLERANCE * before[name]:
            found.append(f"{name} {value:g}, recorded {before[name]:g}")
    for name in measured.synthesis.memories_in_logic:
        if name not in recorded.synthesis.memories_in_logic:
            found.append(f"memory {name} is in logic")
    return found


def read(path: Path = FILE) -> dict[str, Entry]:
    """The recorded designs; none if nothing was recorded yet."""
    if not path.is_file():
        return {}
    designs = json.loads(path.read_text(encoding="utf-8"))["designs"]
    return {name: _entry(data) for name, data in designs.items()}


def _entry(data: Mapping[str, Any]) -> Entry:
    synthesis, layout = data["synthesis"], data["layout"]
    return Entry(
        synthesis=Synthesis(
            cells=Cells(**synthesis["cells"]),
            units={unit: Cells(**cells) for unit, cells in synthesis["units"].items()},
            words=Words(**synthesis["words"]),
            memories_in_logic=tuple(synthesis["memories_in_logic"]),
            cost=Cost(**synthesis["cost"]),
        ),
        layout=layout
        and Layout(
            fmax_mhz=layout["fmax_mhz"],
            path=TimingPath(**layout["path"]),
            cost=Cost(**layout["cost"]),
        ),
    )


def as_json(entries: Mapping[str, Entry], versions: Mapping[str, str]) -> str:
    """Text of the file, designs in the order of the table of designs."""
    designs = {}
    for name in (name for name in TARGETS if name in entries):
        entry = entries[name]
        synthesis, layout = entry.synthesis, entry.layout
        designs[name] = {
            "synthesis": {
                **asdict(synthesis),
                "cells": synthesis.cells._asdict(),
                "units": {unit: cells._asdict() for unit, cells in synthesis.units.items()},
                "words": synthesis.words._asdict(),
            },
            "layout": layout
            and {
                "fmax_mhz": round(layout.fmax_mhz, 2),
                "path": {
                    name: round(value, 2) if isinstance(value, float) else value
                    for name, value in layout.path._asdict().items()
                },
                "cost": asdict(layout.cost),
            },
        }
    head = {"device": DEVICE_NAME, "seed": SEED, "tools": dict(versions)}
    return json.dumps({**head, "designs": designs}, indent=1) + "\n"


def tables(text: str) -> str:
    """The tables of docs/synthesis.md from the text of docs/synthesis.json."""
    data = json.loads(text)
    entries = {name: _entry(entry) for name, entry in data["designs"].items()}
    tools = ", ".join(f"{name} {version}" for name, version in data["tools"].items())
    lines = [f"{data['device']}; {tools}; seed {data['seed']}.", ""]
    lines += _table(
        ["design", "what it is", "LUTs", "of the device", "flip-flops", "block RAMs",
         "multipliers", "Fmax"],
        (
            [
                f"`{name}`", TARGETS[name].what, f"{cells.luts:,}",
                f"{cells.luts / LUTS_OF_DEVICE:.0%}", f"{cells.flip_flops:,}",
                str(cells.block_rams), str(cells.multipliers),
                f"{entry.layout.fmax_mhz:.0f} MHz" if entry.layout else "-",
            ]
            for name, entry in entries.items()
            for cells in [entry.synthesis.cells]
        ),
        left=2,
    )  # fmt: skip
    lines += ["", "The slowest path of each:", ""]
    lines += _table(
        ["design", "from", "to", "ns", "in wires", "levels"],
        (
            [
                f"`{name}`", f"`{path.first}`", f"`{path.last}`", f"{path.nanoseconds:.1f}",
                f"{path.routing_nanoseconds / path.nanoseconds:.0%}", str(path.levels),
            ]
            for name, entry in entries.items()
            if entry.layout
            for path in [entry.layout.path]
        ),
        left=3,
    )  # fmt: skip
    lines += ["", "Where the cells are: LUTs, flip-flops of the greatest submodules:", ""]
    lines += _table(
        ["design", "submodules"],
        (
            [
                f"`{name}`",
                "; ".join(
                    f"{unit} {cells.luts:,}, {cells.flip_flops:,}"
                    for unit, cells in list(entry.synthesis.units.items())[:_SHOWN_UNITS]
                ),
            ]
            for name, entry in entries.items()
        ),
        left=2,
    )  # fmt: skip
    lines += ["", "Before mapping to any technology, in bits:", ""]
    lines += _table(
        ["design", "registers", "memories", "adders and comparators", "multiplexers",
         "memories not in RAM"],
        (
            [
                f"`{name}`", *(f"{bits:,}" for bits in entry.synthesis.words),
                ", ".join(f"`{m}`" for m in entry.synthesis.memories_in_logic) or "-",
            ]
            for name, entry in entries.items()
        ),
        left=1,
    )  # fmt: skip
    lines += ["", "What it takes, CPU seconds and greatest memory:", ""]
    lines += _table(
        ["design", "Yosys", "nextpnr"],
        (
            [
                f"`{name}`",
                *(
                    f"{part.cost.cpu_seconds:.0f} s, {part.cost.gigabytes:.1f} GB" if part else "-"
                    for part in (entry.synthesis, entry.layout)
                ),
            ]
            for name, entry in entries.items()
        ),
        left=1,
    )
    return "\n".join(lines)


def _table(head: list[str], rows: Iterable[list[str]], *, left: int) -> list[str]:
    """A Markdown table, all but the first ``left`` columns to the right."""
    rule = ["---" if column < left else "--:" for column in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def page(text: str, recorded: str) -> str:
    """``text`` of docs/synthesis.md with the tables of ``recorded``, docs/synthesis.json's text.

    Raises
    ------
    ValueError
        If the page does not say where the tables belong.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{PAGE.name} must have one {BEGIN!r} and one {END!r}")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{tables(recorded)}\n{END}{after}"
