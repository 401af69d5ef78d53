"""The published simulator's time and energy, held against what it was measured to give."""

from pathlib import Path

import pytest

from panther.energy import load_prices
from panther.puma import read_program
from panther.puma.reference import replay

DATA = Path(__file__).parents[2] / "data" / "puma"
# Runs of the reference: cycles, and dynamic, leakage and total energy in uJ with four decimals.
MEASURED = {
    ("mlpPanther", "panther"): (16069, 3.9682, 1.1287, 5.0968),
    ("mlpPanther", "digital"): (117436, 15.6109, 8.4195, 24.0304),
    ("mlpPanther", "cmos_opa"): (17013, 4.7815, 1.1546, 5.9361),
    ("mlpPanther", "opa_by_mvm"): (18189, 640.0122, 1.1979, 641.2101),
    ("convGPanther", "panther"): (8063, 1.8858, 0.2605, 2.1464),
    ("convGPanther", "digital"): (51103, 6.9657, 1.7697, 8.7355),
}
# Of mlpPanther with PANTHER's prices, in uJ.
MEASURED_ROWS = {
    "mvm": 1.7403, "mtvm": 1.1075, "opa": 0.5001, "tile memory": 0.2516, "noc": 0.1752,
    "core registers and memory": 0.1004, "alu": 0.0628, "control": 0.0303, "leakage": 1.1287,
}  # fmt: skip
LAST_DIGIT_UJ = 0.6e-4


def _replay(name, prices="panther"):
    return replay(read_program(DATA / name), load_prices(prices))


@pytest.mark.parametrize(("name", "prices"), MEASURED)
def test_cycles_and_energies_are_those_measured(name, prices):
    cycles, *energies_uj = MEASURED[name, prices]
    run = _replay(name, prices)
    assert run.cycles == cycles
    found = [1e6 * energy for energy in (run.dynamic_j, run.leakage_j, run.total_j)]
    assert found == pytest.approx(energies_uj, rel=0, abs=LAST_DIGIT_UJ)


def test_rows_are_those_measured():
    run = _replay("mlpPanther")
    assert run.operations == {"mvm": 44, "mtvm": 28, "opa": 44}
    rows_uj = {row: 1e6 * energy for row, energy in run.rows().items()}
    # of the converters only sample-and-hold is charged
    assert rows_uj.pop("converters") == pytest.approx(72 * 16 * 8 * 128 * 8.73e-12)
    assert rows_uj == pytest.approx(MEASURED_ROWS, rel=0, abs=LAST_DIGIT_UJ)


def test_rows_of_the_convolution_are_those_measured():
    run = _replay("convGPanther")
    assert run.operations == {"mvm": 18, "mtvm": 18, "opa": 18}
    rows_uj = {row: 1e6 * energy for row, energy in run.rows().items()}
    # 16 bits x 8 slices of 309 pJ a product, and what shift-and-add and sample-and-hold take
    assert rows_uj["mvm"] == pytest.approx(18 * 39.552e-3, rel=1e-9)
    assert rows_uj["mtvm"] == pytest.approx(18 * 39.552e-3, rel=1e-9)
    assert rows_uj["opa"] == pytest.approx(18 * 11.3664e-3, rel=1e-9)
    assert rows_uj["converters"] == pytest.approx(36 * 16 * 8 * 128 * 8.73e-12)
    assert rows_uj["leakage"] == pytest.approx(0.2605, rel=0, abs=LAST_DIGIT_UJ)


@pytest.mark.parametrize("name", ["mlpPanther", "convGPanther"])
def test_rows_add_up_to_all_of_the_energy(name):
    run = _replay(name)
    assert sum(run.rows().values()) == pytest.approx(run.total_j, rel=1e-12)


def test_ratio_of_times_is_the_papers():
    prices = load_prices("panther")
    panther, digital = _replay("mlpPanther"), _replay("mlpPanther", "digital")
    # one serial read and write of an array for every batch of 64
    refresh_s = (
        128 / 64 * sum(prices.latency_s("crossbar", way) for way in ("row_read", "row_write"))
    )
    assert refresh_s == pytest.approx(21218.75e-9 / 64)
    assert digital.time_s / (panther.time_s + refresh_s) == pytest.approx(7.16, abs=0.005)


def test_units_that_only_halt_are_on_for_three_cycles():
    run = _replay("mlpPanther")
    assert run.core_cycles[4, 7] == 3
    assert run.core_cycles[3, 3] < run.tile_cycles[3] < run.cycles
    assert max(run.tile_cycles.values()) == run.cycles
