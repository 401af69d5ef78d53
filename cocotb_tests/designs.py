"""What the regression simulates: parameter sets, and Verilog that is written once and kept."""

import os
from collections.abc import Collection
from dataclasses import replace

from filelock import FileLock

from panther.arch.checks import check_range
from panther.arch.core import CoreParams
from panther.arch.device import DeviceParams
from panther.arch.node import NodeParams
from panther.arch.params import AdcParams, McuParams, OpaParams, SliceParams, TimingParams
from panther.arch.presets import CORES as CORE_PRESETS
from panther.arch.presets import PRESETS
from panther.arch.tile import TileParams
from panther.sim import BUILD_ROOT, Design, digest, source_digest

# small enough for every simulator, odd enough to reach every corner; the presets come on top
SETS: dict[str, McuParams] = {
    **PRESETS,
    # rows and columns differ, neither is a power of two; three value bits; odd operands
    "ODD": McuParams(
        rows=7, columns=11, operand_bits=9,
        slices=SliceParams(value_bits=3, cell_bits=(4, 3, 5, 4)),
    ),
    # several ADCs a slice; slow pulses; the top digit is wider than its slice
    "LANES": McuParams(
        rows=8, columns=12, operand_bits=6,
        slices=SliceParams(value_bits=2, cell_bits=(3, 2, 4)),
        adc=AdcParams(per_slice=4), timing=TimingParams(pulse_cycles=3, integrate_cycles=2),
    ),
    # converters that clip and converters with steps; the paper's slicing
    "CLIP": McuParams(
        rows=10, columns=9,
        adc=AdcParams(bits=(6, 5, 6, 6, 6, 5, 4, 4), step_log2=(0, 1, 2, 0, 1, 0, 3, 0)),
    ),
    # several ADCs a slice that clip, so lanes without a line in use go out of range as well
    "CLIP_LANES": McuParams(
        rows=8, columns=12, operand_bits=6,
        slices=SliceParams(value_bits=2, cell_bits=(4, 3, 4)),
        adc=AdcParams(per_slice=4, bits=(4, 4, 5), step_log2=(0, 0, 1)),
    ),
    # one value bit a slice: a canonical cell is 0 or -1
    "BINARY": McuParams(
        rows=4, columns=4, operand_bits=4,
        slices=SliceParams(value_bits=1, cell_bits=(1, 2, 1, 3, 2)),
    ),
    # eight value bits a slice, wide cells
    "BYTE": McuParams(
        rows=5, columns=4, slices=SliceParams(value_bits=8, cell_bits=(10, 9, 8, 12)),
        timing=TimingParams(program_cycles=2),
    ),
    # one slice only: nothing to carry into
    "SINGLE": McuParams(
        rows=4, columns=6, operand_bits=5, slices=SliceParams(value_bits=4, cell_bits=(6,)),
        adc=AdcParams(per_slice=2),
    ),
    # the greatest number of rows, and of columns; the shortest operands
    "TALL": McuParams(
        rows=256, columns=4, operand_bits=2, slices=SliceParams(value_bits=2, cell_bits=(3, 3)),
        timing=TimingParams(integrate_cycles=2, program_cycles=2),
    ),
    "FLAT": McuParams(
        rows=20, columns=256, operand_bits=2, slices=SliceParams(value_bits=2, cell_bits=(3, 3)),
    ),
    # an ADC for every line: one group of lines only
    "PARALLEL": McuParams(
        rows=4, columns=4, operand_bits=3, slices=SliceParams(value_bits=3, cell_bits=(4, 5)),
        adc=AdcParams(per_slice=4), timing=TimingParams(pulse_cycles=2, program_cycles=3),
    ),
    # six ADCs a slice: two groups of lines lie beside each other in XbarOut's twelve memories
    "SIX": McuParams(
        rows=12, columns=30, slices=SliceParams(cell_bits=(6, 5)), adc=AdcParams(per_slice=6),
    ),
}  # fmt: skip
SETS["SMALL_ADC6"] = replace(SETS["SMALL"], adc=AdcParams(bits=(6,) * 8))
_NAF = OpaParams(row_digits="naf")
_ENCODED = OpaParams(row_digits="naf", column_digits="balanced", skip_steps=True)
SETS |= {
    "TINY_NAF": replace(SETS["TINY"], opa=_NAF),
    "TINY_ENCODED": replace(SETS["TINY"], opa=_ENCODED),
    "SMALL_ENCODED": replace(SETS["SMALL"], opa=_ENCODED),
    # steps left out between slow pulses; balanced digits of few bits
    "LANES_SKIP": replace(SETS["LANES"], opa=OpaParams(column_digits="balanced", skip_steps=True)),
    # as many rows as there can be
    "TALL_NAF": McuParams(rows=256, columns=4, slices=SliceParams(cell_bits=(5, 5)), opa=_NAF),
    # a bias wider than any operand
    "BINARY_BALANCED": replace(SETS["BINARY"], opa=OpaParams(column_digits="balanced")),
}

# headroom trackers: of all rows, of some, of each; cells with room and cells without
HEADROOM: dict[str, McuParams] = {
    "ALL_ROWS": replace(SETS["TINY"], headroom=1),
    "HALVES": replace(SETS["TINY"], headroom=2, slices=SliceParams(cell_bits=(7, 6, 9))),
    "EACH_ROW": replace(SETS["ODD"], headroom=7),
    "PAIRS": replace(
        SETS["LANES"], headroom=4, slices=SliceParams(value_bits=2, cell_bits=(5, 4, 7)),
    ),
    "NOTHING_ABOVE": replace(SETS["SINGLE"], headroom=2),
    "LEAST": replace(SETS["BINARY"], headroom=2),
    "WIDE_DIGITS": replace(SETS["BYTE"], headroom=5),
    # converters with steps, which a row that is read must not meet
    "COARSE": replace(
        SETS["TINY"], headroom=3,
        adc=AdcParams(bits=(6, 6, 6), step_log2=(2, 1, 3)),
    ),
    "QUARTERS": replace(SETS["SMALL"], headroom=4),
}  # fmt: skip
HEADROOM["BOTH_SIGNS"] = replace(
    HEADROOM["HALVES"], opa=OpaParams(row_digits="naf", column_digits="balanced")
)
HEADROOM["PAIRS_SKIP"] = replace(
    HEADROOM["PAIRS"], opa=OpaParams(row_digits="naf", skip_steps=True)
)
HEADROOM["BALANCED"] = replace(HEADROOM["NOTHING_ABOVE"], opa=OpaParams(column_digits="balanced"))

# trackers of all rows, of two halves, of each row: more than every regression simulates
HEADROOM_GRID: dict[str, McuParams] = {
    f"{name}_{groups}": replace(SETS[name], headroom=groups)
    for name in ("TINY", "SMALL")
    for groups in (1, 2, SETS[name].rows)
}

CORES: dict[str, CoreParams] = {
    "SMALL_X2": CoreParams(mcu=SETS["SMALL"]),
    # rows and columns differ; odd sizes of everything
    "CLIP_X3": CoreParams(
        mcu=SETS["CLIP"], mcus=3, registers=64, instructions=100, memory_words=1036,
        memory_cycles=1,
    ),
    # blocks of 256 words; as many units, instructions and registers as there can be
    "LONG_X4": CoreParams(
        mcu=McuParams(rows=140, columns=8), mcus=4, registers=2048, instructions=1 << 13,
        memory_cycles=4,
    ),
}  # fmt: skip

LOCKSTEP_CORES = {
    **CORE_PRESETS,
    "UPDATES": replace(
        CORE_PRESETS["SMALL"],
        mcus=1,
        mcu=replace(HEADROOM["HALVES"], operand_bits=16, opa=_ENCODED),
    ),
}
"""Cores that run programs in lockstep, by the names their cases keep."""

# little memory, so that its users meet
TILES: dict[str, TileParams] = {
    "ONE": TileParams(cores=1, core=CoreParams(memory_words=16, memory_cycles=1)),
    "THREE": TileParams(cores=3, core=CoreParams(memory_words=80, memory_cycles=4)),
    "EIGHT": TileParams(cores=8, core=CoreParams(memory_words=1024)),
}

# small enough to be simulated as a whole node
_QUICK = CoreParams(
    mcu=McuParams(
        rows=4, columns=4, slices=SliceParams(cell_bits=(6, 5)),
        timing=TimingParams(integrate_cycles=2, program_cycles=2),
    ),
    mcus=1, registers=32, instructions=24, memory_words=64,
)  # fmt: skip
_COUNTED = CoreParams(
    mcu=McuParams(rows=5, columns=6, slices=SliceParams(cell_bits=(6, 5))),
    mcus=2, registers=64, instructions=256, memory_words=256,
)  # fmt: skip
_MESSAGES = replace(_QUICK, registers=128, instructions=160, memory_words=512)
NODES: dict[str, NodeParams] = {
    # one queue of the least size
    "ALONE": NodeParams(
        width=1, height=1,
        tile=TileParams(
            cores=1, fifos=1, fifo_rows=2, instructions=30,
            core=CoreParams(memory_words=64, memory_cycles=1),
        ),
    ),
    "ROW": NodeParams(
        width=3, height=1,
        tile=TileParams(
            cores=3, fifos=3, fifo_rows=5, core=CoreParams(memory_words=1040, memory_cycles=4),
        ),
    ),
    "SQUARE": NodeParams(),
    "SMALLEST": NodeParams(
        width=1, height=1, tile=TileParams(core=_QUICK, cores=1, instructions=10, fifos=1),
    ),
    "PAIR": NodeParams(
        width=2, height=1, tile=TileParams(core=_QUICK, cores=1, instructions=10, fifos=2),
    ),
    # compared with their twins, all of them
    "LOCKSTEP_PAIR": NodeParams(
        width=2, height=1, tile=TileParams(
            core=_MESSAGES, cores=2, instructions=64, fifos=2, fifo_rows=8,
        ),
    ),
    "LOCKSTEP_SQUARE": NodeParams(
        width=2, height=2, tile=TileParams(
            core=_MESSAGES, cores=3, instructions=64, fifos=4, fifo_rows=3,
        ),
    ),
    "LOCKSTEP_ROW": NodeParams(
        width=4, height=1, tile=TileParams(
            core=replace(_MESSAGES, memory_words=1280, instructions=16), cores=1, instructions=16,
            fifos=2, fifo_rows=16,
        ),
    ),
    "LOCKSTEP_ALONE": NodeParams(
        width=1, height=1, tile=TileParams(
            core=replace(_MESSAGES, memory_cycles=1), cores=1, instructions=64, fifos=1,
            fifo_rows=2,
        ),
    ),
    # matrix units of which there is much to count: with a tracker and encodings, and without
    "COUNTED": NodeParams(
        width=1, height=1, tile=TileParams(
            core=replace(
                _COUNTED, mcu=replace(HEADROOM["PAIRS_SKIP"], operand_bits=16),
            ),
            cores=1, instructions=16, fifos=1,
        ),
    ),
    "COUNTED_PLAIN": NodeParams(
        width=1, height=1, tile=TileParams(core=_COUNTED, cores=1, instructions=16, fifos=1),
    ),
    # two words of bits for its tiles
    "WIDE": NodeParams(
        width=40, height=1, tile=TileParams(
            core=CoreParams(
                mcu=replace(SETS["CLIP_LANES"], operand_bits=16), mcus=3, instructions=100,
                memory_words=80,
            ),
            cores=3, instructions=12,
        ),
    ),
}  # fmt: skip

# the same with devices that err
_tile = NODES["COUNTED"].tile
_noisy = replace(_tile.core.mcu, device=DeviceParams(pulse_noise=0.4, read_noise=0.3, seed=7))
NODES["COUNTED_DEVICE"] = replace(
    NODES["COUNTED"], tile=replace(_tile, core=replace(_tile.core, mcu=_noisy))
)

# wide and high, one row, one column, none of them, a width that is no power of two
MESHES: dict[str, NodeParams] = {
    f"{width}x{height}": NodeParams(width=width, height=height)
    for width, height in ((4, 4), (3, 3), (5, 2), (3, 2), (1, 4), (1, 1))
}


def parameters() -> McuParams:
    """Parameter set of the running testbench."""
    return {**SETS, **HEADROOM, **HEADROOM_GRID}[os.environ["PANTHER_SET"]]


def core_parameters() -> CoreParams:
    """The same of a testbench of a core's unit."""
    return CORES[os.environ["PANTHER_SET"]]


def tile_parameters() -> TileParams:
    """The same of a testbench of a tile's unit."""
    return TILES[os.environ["PANTHER_SET"]]


def node_parameters() -> NodeParams:
    """The same of a testbench of a unit that knows other tiles."""
    return NODES[os.environ["PANTHER_SET"]]


def mesh_parameters() -> NodeParams:
    """The same of a testbench of the network."""
    return MESHES[os.environ["PANTHER_SET"]]


def _kept(key: str, write) -> str:  # type: ignore[no-untyped-def]
    """Verilog text kept under ``key``, written by ``write()`` the first time."""
    folder = BUILD_ROOT / "verilog"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key}.v"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            partial = path.with_suffix(".partial")
            partial.write_text(write())
            partial.rename(path)
    return path.read_text()


def unit_design(
    component: type, params: McuParams | CoreParams | TileParams | NodeParams | None = None
) -> Design:
    """A single component of the hardware, as top module ``dut``; some have no parameters."""
    from hdl.verilog import component_verilog

    key = digest(source_digest("hdl", "panther/arch"), component.__qualname__, params)
    arguments = () if params is None else (params,)
    verilog = _kept(
        f"{component.__name__}-{key}", lambda: component_verilog(component(*arguments), name="dut")
    )
    return Design(toplevel="dut", verilog=verilog)


def mcu_design(params: McuParams) -> Design:
    """A matrix compute unit by itself."""
    from hdl.verilog import mcu_verilog

    key = digest(source_digest("hdl", "panther/arch"), "mcu", params)
    return Design(toplevel="mcu", verilog=_kept(f"mcu-{key}", lambda: mcu_verilog(params)))


def mcu_bench(params: McuParams, *, units: int = 1) -> Design:
    """Matrix compute units on the bench."""
    from cocotb_tests.bench import bench_design

    return bench_design(params, mcu_design(params).verilog, units=units)


def twin_bench(params: McuParams) -> Design:
    """A matrix compute unit at transaction level on the bench."""
    from cocotb_tests.bench import FOLDER, bench_design
    from cocotb_tests.bench.mcu_twin import mcu_twin_verilog

    sources = source_digest("hdl", "panther/arch", "cocotb_tests/bench")
    key = digest(sources, "twin", params)
    verilog = _kept(f"twin-{key}", lambda: mcu_twin_verilog(params))
    return bench_design(params, f"{verilog}\n{(FOLDER / 'mcu_twin.v').read_text()}")


def core_design(params: CoreParams) -> Design:
    """A core by itself, without a retire port."""
    from hdl.verilog import core_verilog

    key = digest(source_digest("hdl", "panther/arch"), "core alone", params)
    return Design(toplevel="core", verilog=_kept(f"core-{key}", lambda: core_verilog(params)))


def core_bench(params: CoreParams, twins: Collection[int] = ()) -> Design:
    """A core with a retire port on the bench; its units ``twins`` at transaction level.

    Raises
    ------
    ValueError
        If it does not have one of them.
    """
    from cocotb_tests.bench.core import core_bench_design
    from cocotb_tests.bench.mcu_twin import mixed_core_verilog

    units = sorted(set(twins))
    for mcu in units:
        check_range("Twin unit", mcu, 0, params.mcus - 1)
    sources = source_digest("hdl", "panther/arch", "cocotb_tests/bench")
    key = digest(sources, "core", params, units)
    verilog = _kept(f"core-{key}", lambda: mixed_core_verilog(params, units))
    return core_bench_design(params, verilog, twins=units)


def mesh_bench(params: NodeParams) -> Design:
    """A mesh of routers on the bench."""
    from cocotb_tests.bench.mesh import mesh_bench_design
    from hdl.node.mesh import Mesh
    from hdl.verilog import component_verilog

    key = digest(source_digest("hdl", "panther/arch"), "mesh", params.width, params.height)
    verilog = _kept(f"mesh-{key}", lambda: component_verilog(Mesh(params), name="mesh"))
    return mesh_bench_design(params, verilog)


def node_design(params: NodeParams) -> Design:
    """A node by itself, without retire ports."""
    from hdl.verilog import node_verilog

    key = digest(source_digest("hdl", "panther/arch"), "node", params)
    return Design(toplevel="node", verilog=_kept(f"node-{key}", lambda: node_verilog(params)))


def node_bench(params: NodeParams) -> Design:
    """A node on the bench."""
    from cocotb_tests.bench.node import node_bench_design

    return node_bench_design(params, node_design(params).verilog)


def node_lockstep_bench(params: NodeParams) -> Design:
    """A node with retire ports on the bench."""
    from cocotb_tests.bench.node_lockstep import node_lockstep_design, node_of_tiles_verilog

    key = digest(source_digest("hdl", "panther/arch", "cocotb_tests/bench"), "retire", params)
    tile = _tile_verilog(params)
    verilog = _kept(f"node-{key}", lambda: node_of_tiles_verilog(params, tile))
    return node_lockstep_design(params, verilog)


def tile_lockstep_bench(params: NodeParams) -> Design:
    """A tile with retire ports on a bench with its pins."""
    from cocotb_tests.bench.node_lockstep import tile_lockstep_design

    return tile_lockstep_design(params, _tile_verilog(params))


def _tile_verilog(params: NodeParams) -> str:
    """A tile with retire ports, as module ``tile``."""
    from hdl.tile.tile import Tile
    from hdl.verilog import component_verilog

    key = digest(source_digest("hdl", "panther/arch"), "tile retire", params)
    return _kept(f"tile-{key}", lambda: component_verilog(Tile(params, retire=True), name="tile"))


def core_lockstep_bench(params: CoreParams) -> Design:
    """A core with a retire port on a bench with its pins."""
    from cocotb_tests.bench.node_lockstep import core_lockstep_design
    from hdl.verilog import core_verilog

    key = digest(source_digest("hdl", "panther/arch"), "core retire", params)
    verilog = _kept(f"core-{key}", lambda: core_verilog(params, retire=True))
    return core_lockstep_design(params, verilog)
