"""Every quirk of the reference, switched off: what changes, and that nothing else does."""

from dataclasses import fields
from pathlib import Path

import pytest

from panther.energy import load_prices
from panther.puma import read_program
from panther.puma.reference import QUIRKS_OFF, Quirks, replay

DATA = Path(__file__).parents[2] / "data" / "puma"
TILES, CORES, LANES, SLICES = 5, 8, 4, 8
PRODUCTS, OUTER_PRODUCTS = 44 + 28, 44
NAMES = [field.name for field in fields(Quirks)]
# rows that tiles 1 to 4 send and receive, that their cores load and store, and that tile 0 sends
TRANSFERS, SERVED, OF_TILE_0 = 76 * 8 + 3, 1736, 65
CYCLES_OF_TILE_0 = 161
# What is counted more often without a quirk of counts; time stays the same.
COUNTED = {
    "half_of_opa": {"crossbar.pulse": OUTER_PRODUCTS * 16 * SLICES * 4},
    "sends_pass_controller": {
        "tile_memory_controller.access": TRANSFERS, "counter_buffer.access": TRANSFERS,
    },
    # four stores of tile 4 have 10 words
    "stores_read_rows": {"core_memory.access": -4 * 6},
    "converters_in_step": {
        "dac.drive": 16 * 128 * (PRODUCTS + OUTER_PRODUCTS * 2 * 2 * SLICES),
        "adc.convert": 16 * 128 * SLICES * PRODUCTS,
    },
    "opa_columns_free": {"xbar_out.access": 128 * OUTER_PRODUCTS},
    "fetch_past_end": {"instruction_memory.fetch": -(TILES - 1) * CORES},
    "first_tile_free": {
        "instruction_memory.fetch": CORES * 2, "tile_instruction_memory.fetch": 10,
        "tile_memory.access": OF_TILE_0, "tile_bus.access": OF_TILE_0,
        "core_control.cycle": CYCLES_OF_TILE_0, "tile_control.cycle": CORES * 3,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def program():
    return read_program(DATA / "mlpPanther")


@pytest.fixture(scope="module")
def without(program):
    """A run without a quirk; with all of them without a name."""
    known = {}

    def run(name=None, prices="panther"):
        if (name, prices) not in known:
            quirks = Quirks(**{name: False}) if name else Quirks()
            known[name, prices] = replay(program, load_prices(prices), quirks)
        return known[name, prices]

    return run


def _more(run, base):
    """What a run counts more than another one."""
    changes = {
        name: run.counts.get(name, 0) - base.counts.get(name, 0)
        for name in {*run.counts, *base.counts}
    }
    return {name: change for name, change in changes.items() if change}


@pytest.mark.parametrize("name", COUNTED)
def test_quirks_of_counts_change_what_they_name_and_no_time(without, name):
    run, base = without(name), without()
    assert _more(run, base) == COUNTED[name]
    assert run.cycles == base.cycles
    if name != "first_tile_free":
        assert run.leakage_by_j == base.leakage_by_j


def test_refused_requests_take_the_memorys_time_and_energy(without):
    run, base = without("refused_requests_take_turns"), without()
    assert run.cycles == base.cycles - 27
    assert run.counts["tile_memory_controller.access"] == SERVED
    assert run.counts["counter_buffer.access"] == base.counts["counter_buffer.access"] == SERVED
    assert run.counts["tile_memory.access"] == SERVED + TRANSFERS


def test_refused_loads_have_read(without):
    run, base = without("refused_loads_read"), without()
    assert run.cycles == base.cycles
    refused = base.counts["tile_memory.access"] - SERVED - TRANSFERS
    assert refused > 0
    assert _more(run, base) == {"tile_memory.access": -refused, "tile_bus.access": -refused}


def test_a_row_takes_two_cycles_and_is_charged_for_one(without):
    run, base = without("one_memory_cycle"), without()
    accesses = base.counts["tile_memory.access"]
    assert run.cycles == base.cycles
    assert _more(run, base) == {"tile_memory.access": accesses, "tile_bus.access": accesses}


@pytest.mark.parametrize(
    ("name", "more"), [("lanes_rounded_down", 10), ("copies_in_one_cycle", 4434)]
)
def test_quirks_of_time_change_cycles_and_what_waits(without, name, more):
    run, base = without(name), without()
    assert run.cycles == base.cycles + more
    waiting = {
        "tile_memory.access", "tile_bus.access", "tile_memory_controller.access",
        "core_control.cycle", "tile_control.cycle", "router.flit",
    }  # fmt: skip
    assert {*_more(run, base)} <= waiting
    assert run.leakage_j > base.leakage_j


def test_a_rounding_error_makes_digital_products_longer(without):
    assert without("latencies_in_floats", "digital").cycles == 117435
    # seven products follow each other, but whoever waits for one looks only every two cycles
    assert without(prices="digital").cycles == 117436
    assert without("latencies_in_floats").cycles == without().cycles


def test_control_of_cores_is_charged_for_cycles_of_tiles(without):
    run, base = without("control_swapped"), without()
    assert base.counts["core_control.cycle"] == run.counts["tile_control.cycle"] == 58090
    assert base.counts["tile_control.cycle"] == run.counts["core_control.cycle"] == 316427
    assert {*_more(run, base)} == {"core_control.cycle", "tile_control.cycle"}


def test_two_routers_of_four_tiles_each_cost_twice_as_much(without):
    run, base = without("one_router"), without()
    assert _more(run, base) == {"router.flit": base.counts["router.flit"]}
    assert run.leakage_by_j["router"] == pytest.approx(2 * base.leakage_by_j["router"])


def test_without_power_gates_all_leaks_until_the_end(without):
    run, base = without("power_gated"), without()
    assert run.counts == base.counts
    prices = load_prices("panther")
    all_s = run.time_s * (TILES - 1)
    assert run.leakage_by_j["router"] == pytest.approx(prices.leakage_w("router") * run.time_s)
    assert run.leakage_by_j["tile_memory"] == pytest.approx(prices.leakage_w("tile_memory") * all_s)
    assert run.leakage_by_j["alu"] == pytest.approx(prices.leakage_w("alu") * all_s * CORES)


def test_all_lanes_and_all_arrays_of_sample_and_hold_leak(without):
    run, base = without("one_lane_leaks"), without()
    factors = {
        name: run.leakage_by_j[name] / energy_j
        for name, energy_j in base.leakage_by_j.items()
        if run.leakage_by_j[name] != energy_j
    }
    assert factors == {"alu": pytest.approx(LANES), "sample_hold": pytest.approx(SLICES)}
    assert run.counts == base.counts


def test_a_load_that_waits_too_long_is_refused_unless_it_may(program):
    prices = load_prices("digital")
    slow = {"copies_in_one_cycle": False}
    with pytest.raises(ValueError, match="at most 99997 cycles, not 102261"):
        replay(program, prices, Quirks(**slow))
    assert replay(program, prices, Quirks(**slow, loads_give_up=False)).cycles == 121872


def test_without_any_quirk_a_run_comes_to_its_end(program):
    assert [getattr(QUIRKS_OFF, name) for name in NAMES] == [False] * len(NAMES)
    assert all(getattr(Quirks(), name) for name in NAMES)
    run = replay(program, load_prices("panther"), QUIRKS_OFF)
    assert run.cycles == 20474


def test_every_quirk_has_a_test_and_stands_in_the_documentation():
    text = Path(__file__).read_text()
    described = (Path(__file__).parents[3] / "docs" / "puma.md").read_text()
    for name in NAMES:
        assert name in text
        assert f"`{name}`" in described
