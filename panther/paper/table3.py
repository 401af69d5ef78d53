"""Area and power of a node, component by component: published, by the constants, and ours.

Three machines beside each other: what the paper states for a node of 138 tiles; what the constants
of its simulator add up to, with that simulator's numbers of components; and our hardware at the
same constants, whose numbers of components follow from the parameters of the RTL.

Peak power is leakage and every component at its highest rate: matrix units carry out, one after
the other, the operation that takes most power; every lane of every vector unit multiplies;
memories, queues and routers move what they can in every cycle.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from panther.arch.core import LANES, CoreParams
from panther.arch.node import NodeParams, Port
from panther.arch.params import McuParams
from panther.arch.tile import BANKS, CORE_COUNTERS, MCU_COUNTERS, TILE_COUNTERS, TileParams
from panther.cost.point import operation_cycles
from panther.energy import CYCLE_S, RTX_2080_TI, Bill, Interval, Inventory, PriceSet, load_prices
from panther.energy.activity import Actions, core_actions, mcu_actions, priced, tile_actions
from panther.energy.inventory import LINES, Parts
from panther.paper.page import Part, Table

TILES = 138
CORES = 8
"""Of a tile."""
UNITS = 2
"""Matrix units of a core."""

PUBLISHED = {"area": 117e-6, "power": 105.0, "bytes": 72.4e6}
"""Of a node, in m2, W and bytes."""
PUBLISHED_DIGITAL = {"area": 578e-6, "power": 839.0, "bytes": 72.4e6}
"""Base_digital with the same memory on chip."""
PUBLISHED_GPU = {"area": 750e-6, "power": 250.0}

REFERENCE_CORE: Parts = {
    "crossbar": 8.0, "dac": 2816.0, "sample_hold": 512.0, "adc": 4.0, "shift_add": 4.0,
    "xbar_in": 6.0, "xbar_out": 6.0, "instruction_memory": 1.0, "core_memory": 1.0, "alu": 1.0,
    "activation": 1.0, "core_control": 1.0,
}  # fmt: skip
"""What the simulator of the paper's authors adds up for the area and the leakage of a core."""
REFERENCE_ARRAYS = 64
"""Arrays there are in such a core: 8 of a product's rows, 8 of its columns and 16 of an outer
product in each unit; it adds up the area of 8. Their leakage is 0."""
REFERENCE_TILE: Parts = {
    "tile_memory": 1.0, "tile_bus": 1.0, "tile_memory_controller": 1.0, "counter_buffer": 1.0,
    "receive_buffer": 1.0, "tile_instruction_memory": 1.0, "tile_control": 1.0,
}  # fmt: skip
"""Likewise of a tile, without its cores."""
REFERENCE_ROUTERS = 0.25
"""Of a tile."""

REASONS: Mapping[str, str] = {
    "crossbar": "the simulator adds up 8 of a core's 64 arrays; one set of ours does all three "
    "operations, so 16 are enough",
    "dac": "one set of row drivers for all three operations, where the simulator has three; a "
    "column of ours has a driver in each slice",
    "sample_hold": "one for every line of every slice; the simulator has one for every line",
    "adc": "one for every slice; two of the simulator serve 8 slices x 128 columns in 100 ns, "
    "that is 10 GS/s each",
    "shift_add": "one for every converter of every slice; the simulator has one for each direction "
    "of a unit",
    "slice_carry": "the simulator charges a CRS as a serial read and write, without logic",
    "xbar_in": "four banks of 128 words, one more for the columns of an outer product",
    "xbar_out": "two banks; an outer product leaves nothing",
    "alu": "four lanes; the simulator adds up one",
    "activation": "one function table a lane",
    "core_memory": "general registers of 1024 words, as there",
    "instruction_memory": "in proportion to its words",
    "core_control": "as there",
    "tile_memory": "as there",
    "tile_bus": "as there",
    "tile_memory_controller": "as there",
    "counter_buffer": "readers of groups of four words, counted as the source's attributes",
    "receive_buffer": "16 queues of 32 rows; the simulator has one of 64",
    "tile_instruction_memory": "in proportion to its words",
    "tile_control": "as there",
    "router": "one a tile; the simulator has one for four tiles",
    "link": "ours is driven by a host over AXI and has no link to other nodes",
}
"""Why ours are more or fewer than the simulator's."""


def paper_node(mcu: McuParams | None = None) -> NodeParams:
    """A node of as many tiles as the paper's, all of our RTL's parameters at their defaults."""
    core = CoreParams(mcu=mcu or McuParams(), mcus=UNITS)
    return NodeParams(tile=TileParams(core=core, cores=CORES), width=TILES // 6, height=6)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A component."""

    name: str
    level: str
    """``core`` or ``tile``: counts are for one of these."""
    reference: float
    """How many the simulator adds up."""
    ours: float
    """How many of the priced size ours are worth."""
    area: Bill
    """Of all of a node, in m2."""
    leakage: Bill
    """Likewise, in W."""
    peak: Bill
    """Likewise, without leakage."""
    reference_area_m2: float
    reference_leakage_w: float

    @property
    def label(self) -> str:
        """Its name with its level, for tables."""
        name = self.name.replace("_", " ")
        return name if name.startswith(self.level) else f"{self.level} {name}"


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A node by components, with its sums."""

    node: NodeParams
    lines: tuple[Line, ...]
    peak_operation: str
    """That of matrix units which takes most power."""
    power_by_operation: Mapping[str, Bill]
    """Of all matrix units of the node at once, without leakage, in W."""

    @property
    def area(self) -> Bill:
        """In m2."""
        return Bill.sum(line.area for line in self.lines)

    @property
    def leakage(self) -> Bill:
        """In W."""
        return Bill.sum(line.leakage for line in self.lines)

    @property
    def peak(self) -> Bill:
        """Leakage and all at their highest rate, in W."""
        return self.leakage + Bill.sum(line.peak for line in self.lines)

    @property
    def weight_bytes(self) -> float:
        """Bytes of the weights on chip."""
        tile = self.node.tile
        mcu = tile.core.mcu
        units = self.node.tiles * tile.cores * tile.core.mcus
        return units * mcu.rows * mcu.columns * mcu.slices.weight_bits / 8


def _nothing(names: Iterable[str]) -> dict[str, int]:
    return dict.fromkeys(names, 0)


def unit_powers(node: NodeParams, prices: PriceSet) -> dict[str, Bill]:
    """Power of one matrix unit that does nothing but one operation, without leakage, in W."""
    mcu = node.tile.core.mcu
    groups = -(-mcu.columns // mcu.adc.per_slice)
    steps, pulses = mcu.operand_bits, 4 * mcu.operand_bits
    cycles = operation_cycles(mcu)
    works = {
        "MVM": ({"mvm_steps": steps, "conversions": steps * groups}, cycles["mvm"]),
        "OPA": ({"pulses": pulses}, cycles["opa"]),
        # what a CRS reads is no product: its conversions are in the price of a row
        "CRS": ({"row_reads": mcu.rows, "row_writes": mcu.rows}, cycles["crs"]),
    }  # fmt: skip
    found = {}
    for name, (counted, taken) in works.items():
        actions = mcu_actions(node, _nothing(MCU_COUNTERS) | counted)
        found[name] = priced(actions, prices) * (1 / (taken * CYCLE_S))
    return found


def busiest_core(node: NodeParams) -> Actions:
    """What a core but its matrix units does in a cycle at most."""
    counted = {"running": 1, "instructions": 1, "mul": LANES, "words_read": 2 * LANES,
               "words_written": LANES}  # fmt: skip
    return core_actions(node, _nothing(CORE_COUNTERS) | counted)


def busiest_tile(node: NodeParams) -> Actions:
    """What a tile but its cores does in a cycle at most."""
    counted = {"active": 1, "instructions": 1, "accesses": BANKS, "received": 1}
    router = {f"{port.name.lower()}.flits": 1 for port in Port}
    return tile_actions(node, _nothing(TILE_COUNTERS) | counted, router)


def structure(prices: PriceSet | None = None, node: NodeParams | None = None) -> Structure:
    """A node of ours beside the simulator's, at the prices of a set."""
    prices = prices or load_prices("panther")
    node = node or paper_node()
    inventory = Inventory(node=node, prices=prices)
    cores, units = node.tiles * node.tile.cores, node.tile.core.mcus
    of_unit = unit_powers(node, prices)
    most = max(of_unit, key=lambda name: of_unit[name].total)
    per_cycle = 1 / CYCLE_S
    of_core = priced(busiest_core(node), prices) * per_cycle
    of_tile = priced(busiest_tile(node), prices) * per_cycle
    in_core = {**{name: units * count for name, count in inventory.mcu.items()}, **inventory.core}
    lines = []
    for level, number, ours, reference, dynamic in (
        ("core", cores, in_core, REFERENCE_CORE, of_unit[most] * units + of_core),
        ("tile", node.tiles, inventory.tile,
         {**REFERENCE_TILE, "router": REFERENCE_ROUTERS, "link": 1 / TILES}, of_tile),
    ):  # fmt: skip
        for name in dict.fromkeys((*ours, *reference)):
            count, theirs = ours.get(name, 0.0), reference.get(name, 0.0)
            all_of_theirs = theirs * TILES * (CORES if level == "core" else 1)
            component = prices.component(name)
            lines.append(
                Line(
                    name=name, level=level, reference=theirs, ours=count,
                    area=inventory.area({name: number * count}),
                    leakage=inventory.leakage({name: number * count}),
                    peak=dynamic.component(name) * number,
                    reference_area_m2=all_of_theirs * component.area.value,
                    reference_leakage_w=all_of_theirs * component.leakage.value,
                )
            )  # fmt: skip
    return Structure(
        node=node, lines=tuple(lines), peak_operation=most,
        power_by_operation={name: bill * (cores * units) for name, bill in of_unit.items()},
    )  # fmt: skip


def reference_peak(prices: PriceSet) -> dict[str, float]:
    """Peak power of a node by the source's constants, without leakage, in W.

    Every component of the simulator does what takes it most power (energy over latency) all the
    time, arrays their pulses. ``arrays`` are all 16 that an outer product drives in a unit with
    half of them counted, as there: 8.
    """

    def power(name: str) -> float:
        return max(
            price.alone / price.latency_s for price in prices.component(name).actions.values()
        )

    cores = TILES * CORES
    arrays = cores * UNITS * 8 * power("crossbar")
    rest = sum(
        cores * count * power(name)
        for name, count in REFERENCE_CORE.items()
        # their work is part of an array's
        if name not in ("crossbar", "dac", "adc", "sample_hold")
    )
    tiles = TILES * sum(
        count * power_of_cycle(prices, name) for name, count in REFERENCE_TILE.items()
    )
    return {
        "arrays": arrays, "rest of the cores": rest, "rest of the tiles": tiles,
        "routers": TILES * REFERENCE_ROUTERS * prices.energy_j("router", "flit") / CYCLE_S,
        "link": power("link"),
    }  # fmt: skip


def power_of_cycle(prices: PriceSet, name: str) -> float:
    """Power of a tile's component that is accessed in every cycle, in W."""
    actions = prices.component(name).actions
    chosen = next(actions[key] for key in ("access", "fetch", "cycle") if key in actions)
    return chosen.alone / CYCLE_S


def table3() -> Part:
    """Tables of area and power."""
    prices = load_prices("panther")
    found = structure(prices)
    return Part(
        name="table3", title="Table 3: area and power of a node",
        text=(
            "A node of 138 tiles of 8 cores of 2 matrix units, 128 x 128, 16-bit operands, 32 nm, "
            "1 GHz. The number of the table is ours."
        ),
        tables=(_sums(found, prices), _areas(found), _powers(found), _peaks(found, prices)),
        records=_records(found),
    )  # fmt: skip


def _records(found: Structure) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for line in found.lines:
        area, leakage, peak = (b.interval for b in (line.area, line.leakage, line.peak))
        rows.append({
            "component": line.name, "of": line.level, "reference_count": line.reference,
            "count": line.ours, "reference_area_m2": line.reference_area_m2,
            "area_m2": area.value, "area_low_m2": area.low, "area_high_m2": area.high,
            "reference_leakage_w": line.reference_leakage_w,
            "leakage_w": leakage.value, "leakage_low_w": leakage.low,
            "leakage_high_w": leakage.high,
            "peak_w": peak.value, "peak_low_w": peak.low, "peak_high_w": peak.high,
        })  # fmt: skip
    return rows


def _mm2(value: float) -> str:
    return f"{1e6 * value:.4g}"


def _range(found: Interval, factor: float) -> str:
    if not found.high:
        return "0"
    return f"{factor * found.value:.4g} ({factor * found.low:.4g} to {factor * found.high:.4g})"


def _of(lines: Iterable[Line], level: str) -> list[Line]:
    return [line for line in lines if line.level == level]


def _sums(found: Structure, prices: PriceSet) -> Table:
    core, tile = _of(found.lines, "core"), _of(found.lines, "tile")
    cores = TILES * CORES
    in_tile = [line for line in tile if line.name not in ("router", "link")]
    reference = {
        "core area, mm2": sum(line.reference_area_m2 for line in core) / cores,
        "core leakage, mW": sum(line.reference_leakage_w for line in core) / cores,
        "tile area, mm2": sum(line.reference_area_m2 for line in (*core, *in_tile)) / TILES,
        "tile leakage without cores, mW": sum(x.reference_leakage_w for x in in_tile) / TILES,
        "node area, mm2": sum(line.reference_area_m2 for line in found.lines),
        "node leakage, W": sum(line.reference_leakage_w for line in found.lines),
    }
    peak = reference_peak(prices)
    mine = {
        "core area, mm2": Bill.sum(line.area for line in core) * (1 / cores),
        "core leakage, mW": Bill.sum(line.leakage for line in core) * (1 / cores),
        "tile area, mm2": Bill.sum(line.area for line in (*core, *in_tile)) * (1 / TILES),
        "tile leakage without cores, mW": Bill.sum(x.leakage for x in in_tile) * (1 / TILES),
        "node area, mm2": found.area,
        "node leakage, W": found.leakage,
    }
    rows = []
    for name, bill in mine.items():
        factor = {"mm2": 1e6, "mW": 1e3, "W": 1.0}[name.rpartition(" ")[2]]
        paper = f"{1e6 * PUBLISHED['area']:g}" if name == "node area, mm2" else "-"
        rows.append([name, paper, f"{factor * reference[name]:.5g}", _range(bill.interval, factor)])
    all_of_theirs = reference["node leakage, W"] + sum(peak.values())
    rows.append([
        "node peak power, W", f"{PUBLISHED['power']:g}", f"{all_of_theirs:.4g}",
        _range(found.peak.interval, 1.0),
    ])  # fmt: skip
    weights = TILES * CORES * UNITS * LINES**2
    rows.append(["weights on chip, MB", f"{PUBLISHED['bytes'] / 1e6:g}",
                 f"{2e-6 * weights:.4g}", f"{1e-6 * found.weight_bytes:.4g}"])  # fmt: skip
    digital, gpu = PUBLISHED_DIGITAL, PUBLISHED_GPU
    rows.append(["Base_digital: area, mm2; power, W",
                 f"{1e6 * digital['area']:g}; {digital['power']:g}", "-", "-"])  # fmt: skip
    rows.append(["GPU: area, mm2; power, W", f"{1e6 * gpu['area']:g}; {gpu['power']:g}", "-",
                 f"{1e6 * RTX_2080_TI.area_m2:g}; {RTX_2080_TI.power_w:g}"])  # fmt: skip
    gap = PUBLISHED["area"] / reference["node area, mm2"]
    return Table(
        title="Paper, constants of its simulator, our hardware",
        text=(
            f"The paper's {1e6 * PUBLISHED['area']:g} mm2 are {gap:.2f} times what its published "
            "constants add up to; they leave out 56 of a core's 64 arrays, which would make "
            f"{1e6 * _left_out(prices):.3g} mm2 more. Its {PUBLISHED['bytes'] / 1e6:g} MB are the "
            "weights, of 16 bits each; ours have 8 slices of 4 value bits, that is 32. The area "
            "and the power of Base_digital do not follow from its simulator, whose digital "
            "constants change the arrays' energy alone: it keeps the area and the leakage of "
            "converters, drivers, sample-and-hold and adders that digital multipliers do not have "
            f"({_of_no_use():.0%} of what a core leaks), and the area of memories and "
            "multipliers in their place is not published. "
            "In brackets: all prices at the ends of their ranges."
        ),
        head=["", "paper", "simulator's constants", "ours"], rows=rows,
    )  # fmt: skip


def _left_out(prices: PriceSet) -> float:
    """Area of a node's arrays that the simulator does not add up, in m2."""
    missing = REFERENCE_ARRAYS - REFERENCE_CORE["crossbar"]
    return TILES * CORES * missing * prices.area_m2("crossbar")


def _of_no_use() -> float:
    """Share of a core's leakage that Base_digital has by the source, and need not have."""
    node = paper_node()
    digital, without = (
        Bill.sum((found.leakage(found.mcu) * UNITS, found.leakage(found.core))).total
        for found in (
            Inventory(node=node, prices=load_prices("digital")),
            Inventory(node=node, prices=load_prices("digital_mac")),
        )
    )
    return 1 - without / digital


def _areas(found: Structure) -> Table:
    rows = []
    for line in found.lines:
        rows.append([
            line.label, f"{line.reference:.4g}", f"{line.ours:.4g}",
            _mm2(line.reference_area_m2), _range(line.area.interval, 1e6), REASONS[line.name],
        ])  # fmt: skip
    total = sum(line.reference_area_m2 for line in found.lines)
    rows.append(["node", "", "", _mm2(total), _range(found.area.interval, 1e6), ""])
    return Table(
        title="Area by component",
        text=(
            "Numbers are for one core or one tile, areas in mm2 for all 138 tiles. Ours are worth "
            "so many of the size that is priced; why they are more or fewer stands at the end."
        ),
        head=["component", "there", "ours", "there, mm2", "ours, mm2", "why"], rows=rows,
        prose=True,
    )  # fmt: skip


def _powers(found: Structure) -> Table:
    rows = []
    for line in found.lines:
        rows.append([
            line.label, f"{line.reference_leakage_w:.4g}",
            _range(line.leakage.interval, 1.0), _range(line.peak.interval, 1.0),
        ])  # fmt: skip
    total = sum(line.reference_leakage_w for line in found.lines)
    rows.append([
        "node", f"{total:.4g}", _range(found.leakage.interval, 1.0),
        _range(Bill.sum(line.peak for line in found.lines).interval, 1.0),
    ])  # fmt: skip
    return Table(
        title="Power by component, W",
        text=(
            "Of all 138 tiles. Peak: every component at its highest rate, without leakage: matrix "
            f"units make {found.peak_operation} after {found.peak_operation}, vector units "
            "multiply four words a cycle, every bank of a tile's memory is accessed, and all five "
            "outputs of a router send. No program comes near it."
        ),
        head=["component", "leakage there", "leakage ours", "peak ours"], rows=rows,
    )  # fmt: skip


def _peaks(found: Structure, prices: PriceSet) -> Table:
    units = TILES * CORES * UNITS
    opa = 128 * 4 * prices.energy_j("crossbar", "pulse")
    at_source = units * opa / (prices.cycles["opa"] * CYCLE_S)
    mvm = units * 128 * prices.energy_j("crossbar", "mvm_step")
    rows = [
        [f"ours: {name} on every unit at once", f"{bill.total:.4g}",
         "energy of the operation over its cycles in RTL"]
        for name, bill in found.power_by_operation.items()
    ]  # fmt: skip
    peak = reference_peak(prices)
    rows += [
        ["source: MVM on every unit at once", f"{mvm / (prices.cycles['mvm'] * CYCLE_S):.4g}",
         "39.55 nJ in 1800 cycles"],
        ["source: OPA on every unit at once", f"{at_source:.4g}",
         ("11.37 nJ in 80 cycles: 16 accesses of 20 ns, all at the energy of 20 ns each, in the "
         "time of four")],
        ["source: 4.44 mW an array, 8 arrays a unit", f"{peak['arrays']:.4g}",
         "the power the source states, held all the time"],
    ]  # fmt: skip
    for name in ("rest of the cores", "rest of the tiles", "routers", "link"):
        rows.append([f"source: {name}", f"{peak[name]:.4g}", "energy over latency, every cycle"])
    total = sum(peak.values()) + sum(line.reference_leakage_w for line in found.lines)
    rows.append(["source: leakage and the last five", f"{total:.4g}",
                 f"the paper states {PUBLISHED['power']:g} W"])  # fmt: skip
    return Table(
        title="Where the peak is, W",
        text=(
            "The source's constants give an outer product the energy of 128 accesses of 20 ns but "
            "the time of four: held against its own 4.44 mW an array, an OPA takes four times the "
            "power. Ours pulses once a cycle."
        ),
        head=["", "W", "why"], rows=rows, prose=True,
    )  # fmt: skip
