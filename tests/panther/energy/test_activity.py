"""Bills by hand, from counters of one tile."""

from dataclasses import replace

import pytest

from panther.arch.node import NodeParams
from panther.arch.params import AdcParams, SliceParams
from panther.arch.presets import NODES
from panther.energy import Inventory, Meter, copies_of, load_prices
from panther.energy.activity import unit_counts

PJ = 1e-12
PAPER = NODES["PAPER"]


def zeros(node, **counts):
    """Counters of a tile, all but ``counts`` 0; dots are written ``__``."""
    names = ["active", "accesses", "conflicts", "misses", "sent", "received", "credits"]
    names += ["instructions"]
    core = ("running", "wait_matrix", "wait_memory", "instructions", "words_read")
    core += ("words_written", "mul", "div", "table", "other")
    unit = ("busy", "mvm_steps", "mtvm_steps", "conversions", "pulses", "row_reads", "row_writes")
    for c in range(node.tile.cores):
        names += [f"core{c}.{name}" for name in core]
        names += [f"core{c}.m{m}.{name}" for m in range(node.tile.core.mcus) for name in unit]
    found = dict.fromkeys(names, 0)
    for name, count in counts.items():
        found[name.replace("__", ".")] = count
    assert len(found) == len(names)
    return found


def quiet_router():
    ports = ("local", "north", "east", "south", "west")
    return {f"{port}.{what}": 0 for port in ports for what in ("flits", "blocked")}


def resized(node, **sizes):
    core = node.tile.core
    core = replace(core, mcu=replace(core.mcu, **sizes))
    return NodeParams(tile=replace(node.tile, core=core))


def test_one_product_costs_what_the_source_says():
    meter = Meter(PAPER, load_prices("panther"))
    counts = zeros(PAPER, core0__m1__mvm_steps=16, core0__m1__conversions=16 * 128)
    bill = meter.mcu(counts, 0, 1).dynamic
    assert bill.component("crossbar").total == pytest.approx(39552 * PJ)
    assert bill.component("adc").total == 0  # in the access
    assert bill.component("shift_add").total == pytest.approx(16 * 128 * 8 * 0.045 * PJ)
    assert bill.component("sample_hold").total == pytest.approx(16 * 128 * 8 * 8.73e-6 * PJ)
    assert bill.component("xbar_in").total == pytest.approx(16 * 1.7 * PJ)
    assert bill.component("xbar_out").total == pytest.approx(128 * 0.16 * PJ)
    assert meter.mcu(counts, 0, 0).total_j == 0


def test_updates():
    meter = Meter(PAPER, load_prices("panther"))
    opa = meter.mcu(zeros(PAPER, core2__m0__pulses=64), 2, 0).dynamic
    assert opa.component("crossbar").total == pytest.approx(11366.4 * PJ)
    counts = zeros(PAPER, core2__m0__row_reads=128, core2__m0__row_writes=128)
    crs = meter.mcu(counts, 2, 0).dynamic
    assert crs.component("crossbar").total == pytest.approx(8 * (6500 + 22606.33) * PJ)
    assert crs.component("slice_carry").total == pytest.approx(128 * 128 * 8 * 0.045 * PJ)


def test_rest_of_core_and_tile():
    meter = Meter(PAPER, load_prices("panther"))
    counts = zeros(
        PAPER, core1__mul=10, core1__div=20, core1__table=30, core1__other=40,
        core1__words_read=50, core1__words_written=60, core1__instructions=70, core1__running=80,
        accesses=4, misses=3, received=2, instructions=5, active=90,
    )  # fmt: skip
    core = meter.core(counts, 1)
    assert core.dynamic.by_component() == pytest.approx(
        {
            "alu": (10 * 0.565333 + 20 * 1.080889 + 40 * 0.265244) * PJ,
            "activation": 30 * 0.234 * PJ,
            "core_memory": 110 * 0.57 * PJ,
            "instruction_memory": 70 * 1.301076 * PJ,
            "core_control": 80 * 0.25 * PJ,
        }
    )
    # leaks for 80 ns: four lanes, four function units, registers and program
    leaks = 4 * 0.192 + 4 * 0.026 + 0.33 + 0.220617
    assert core.leakage.total == pytest.approx(80e-9 * leaks * 1e-3)
    router = quiet_router() | {"east.flits": 6, "local.flits": 2, "west.blocked": 100}
    tile = meter.tile(counts, router, 1000)
    assert tile.dynamic.by_component() == pytest.approx(
        {
            "tile_memory": 4 * 4.3 * PJ,
            "tile_bus": 4 * 1.5 * PJ,
            "tile_memory_controller": 4 * 0.475 * PJ,
            "counter_buffer": 7 * 0.919239 * PJ,
            "receive_buffer": 4 * 8.96 * PJ,
            "tile_instruction_memory": 5 * 1.838478 * PJ,
            "tile_control": 90 * 0.05 * PJ,
            "router": 8 * 16.13 * PJ,
        }
    )
    queues = 16 * 32 / 64
    leaks = 90 * (0.46 + 0.05 + 0.46669 + 0.933381 + queues * 0.18) + 1000 * 0.41
    assert tile.leakage.total == pytest.approx(leaks * 1e-12)
    whole = meter.whole([counts] * 4, [router] * 4, 1000)
    running = zeros(PAPER, core1__running=80)
    units = meter.mcu(running, 1, 0).total_j + meter.mcu(running, 1, 1).total_j
    assert whole.total_j == pytest.approx(4 * (core.total_j + tile.total_j + units))


def test_other_sizes_in_proportion():
    node = resized(PAPER, rows=64, columns=32, slices=SliceParams(cell_bits=(6, 6)))
    counts = zeros(node, core0__m0__mvm_steps=16, core0__m0__row_reads=2)
    bill = Meter(node, load_prices("panther")).mcu(counts, 0, 0).dynamic
    wanted = 16 * 2 * 309 / 8 + 2 * 2 * 50.78125 / 4
    assert bill.component("crossbar").total == pytest.approx(wanted * PJ)


def test_bits_of_converters_count_where_converters_have_a_price():
    node = resized(PAPER, adc=AdcParams(bits=(9,) * 4 + (10,) * 4, per_slice=2))
    counts = zeros(node, core0__m0__conversions=3)
    parts, whole = (
        Meter(node, load_prices(name)).mcu(counts, 0, 0).dynamic for name in ("parts", "panther")
    )
    assert parts.component("adc").total == pytest.approx(3 * 2 * (4 * 2 + 4 * 4) * 1.40625 * PJ)
    assert whole.component("adc").total == 0
    for name, worth in (("parts", 2 * 24), ("panther", 2 * 8)):
        assert Inventory(node=node, prices=load_prices(name)).mcu["adc"] == worth


def test_read_copies_are_arrays_too():
    one, three = (
        Inventory(node=PAPER, prices=load_prices("panther"), copies=copies_of(variant))
        for variant in ("V1", "V3")
    )
    assert three.mcu["crossbar"] == 3 * one.mcu["crossbar"] == 24
    assert three.mcu["adc"] == one.mcu["adc"] == 8
    # a row is written to all of them, and read from one
    counts = zeros(PAPER, core0__m0__row_reads=128, core0__m0__row_writes=128)
    bill = Meter(PAPER, load_prices("panther"), copies=3).mcu(counts, 0, 0).dynamic
    assert bill.component("crossbar").total == pytest.approx(8 * (6500 + 3 * 22606.33) * PJ)


def test_converters_by_themselves_are_not_in_pulses_and_rows():
    counts = zeros(PAPER, core0__m0__pulses=64, core0__m0__row_reads=128, core0__m0__row_writes=128)
    parts, whole = (
        Meter(PAPER, load_prices(name)).mcu(counts, 0, 0).dynamic for name in ("parts", "panther")
    )
    assert parts.by_component() == pytest.approx(whole.by_component())
    counts = zeros(PAPER, core0__m0__mvm_steps=16)
    drivers = Meter(PAPER, load_prices("parts")).mcu(counts, 0, 0).dynamic.component("dac")
    assert drivers.total == pytest.approx(16 * 128 * 0.350625 * PJ)


@pytest.mark.parametrize("name", ["digital", "digital_mac", "opa_by_mvm"])
def test_others_pay_nothing_for_a_crs(name):
    counts = zeros(PAPER, core0__m0__row_reads=128, core0__m0__row_writes=128)
    assert Meter(PAPER, load_prices(name)).mcu(counts, 0, 0).dynamic.total == 0


def test_whole_node_is_the_sum_of_its_parts():
    inventory = Inventory(node=PAPER, prices=load_prices("panther"))
    mcu, core, tile = (
        inventory.area(parts).total for parts in (inventory.mcu, inventory.core, inventory.tile)
    )
    area = inventory.area(inventory.whole).total
    assert area == pytest.approx(4 * (tile + 8 * (core + 2 * mcu)))
    assert inventory.leakage(inventory.mcu).component("adc").total == pytest.approx(8 * 0.2e-3)


def test_names_of_units():
    counts = {"active": 1, "core0.running": 2, "core0.m0.busy": 3, "core10.running": 4}
    assert unit_counts(counts) == {"active": 1}
    assert unit_counts(counts, "core0.") == {"running": 2}
    assert unit_counts(counts, "core0.m0.") == {"busy": 3}
