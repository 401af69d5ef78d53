"""What can be synthesized. A new design is one line of :data:`TARGETS`."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace

from hdl.verilog import core_verilog, mcu_ip_verilog, mcu_verilog, tile_verilog
from panther.arch.core import WORD_BITS, CoreParams
from panther.arch.node import NodeParams
from panther.arch.presets import CORES, PRESETS
from panther.arch.tile import TileParams


@dataclass(frozen=True, kw_only=True)
class Target:
    """A design by its top module."""

    top: str
    """Name of the top module; its clock is ``clk``, its reset ``rst``."""
    what: str
    """What it is, in a few words."""
    verilog: Callable[[], str]
    """Writes the text of all its modules."""
    routed: bool = True
    """Whether it is placed and routed, too: that takes minutes, and room in the device."""


SMALL_TILE = TileParams(
    core=replace(CORES["SMALL"], mcu=replace(PRESETS["TINY"], operand_bits=WORD_BITS), mcus=1),
    cores=2,
    fifos=2,
    fifo_rows=8,
)


def _mcu(preset: str, what: str, *, routed: bool = True) -> Target:
    return Target(top="mcu", what=what, verilog=lambda: mcu_verilog(PRESETS[preset]), routed=routed)


def _core(params: CoreParams, what: str, *, routed: bool = True) -> Target:
    return Target(top="core", what=what, verilog=lambda: core_verilog(params), routed=routed)


TARGETS: dict[str, Target] = {
    "mcu-tiny": _mcu("TINY", "unit of 6 x 5 lines, three slices, operands of 8 bits"),
    "mcu-small": _mcu("SMALL", "unit of 16 x 16 lines, the paper's slicing"),
    "mcu": _mcu("PAPER", "the paper's unit: 128 x 128 lines", routed=False),
    "mcu-ip-tiny": Target(
        top="mcu_ip",
        what="the smallest unit with its AXI ports",
        verilog=lambda: mcu_ip_verilog(PRESETS["TINY"]),
    ),
    "core-small": _core(replace(CORES["SMALL"], mcus=1), "core with one unit of 16 x 16 lines"),
    # it fills 87 % of the device: nextpnr looks for places for more than half an hour
    "core": _core(CORES["PAPER"], "core with two of the paper's units", routed=False),
    "tile-small": Target(
        top="panther_tile",
        what="tile of two cores, each with one unit of 6 x 5 lines, three slices",
        verilog=lambda: tile_verilog(NodeParams(tile=SMALL_TILE, height=1)),
        routed=False,
    ),
}
"""Every design by its name, the quick ones first of their kind."""


def target(name: str) -> Target:
    """Return the design called ``name``.

    Raises
    ------
    ValueError
        If there is none; the message lists them and suggests the nearest.
    """
    if name in TARGETS:
        return TARGETS[name]
    near = difflib.get_close_matches(name, TARGETS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"Design must be one of {', '.join(TARGETS)}, not {name!r}{hint}")
