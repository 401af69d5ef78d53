from dataclasses import replace

import pytest

from panther.energy import load_prices
from panther.paper.table3 import (
    PUBLISHED,
    REASONS,
    REFERENCE_CORE,
    REFERENCE_TILE,
    TILES,
    paper_node,
    reference_peak,
    structure,
    table3,
    unit_powers,
)


@pytest.fixture(scope="module")
def found():
    return structure()


def sums(lines, level, name):
    return sum(getattr(line, name) for line in lines if line.level == level)


def test_constants_add_up_to_what_the_simulator_says(found):
    prices = load_prices("panther")
    area = {n: sum(c * prices.area_m2(x) for x, c in parts.items())
            for n, parts in (("core", REFERENCE_CORE), ("tile", REFERENCE_TILE))}  # fmt: skip
    leakage = {n: sum(c * prices.leakage_w(x) for x, c in parts.items())
               for n, parts in (("core", REFERENCE_CORE), ("tile", REFERENCE_TILE))}  # fmt: skip
    assert 1e6 * area["core"] == pytest.approx(0.02966, abs=5e-6)
    assert 1e3 * leakage["core"] == pytest.approx(3.16911, abs=5e-6)
    assert 1e6 * (8 * area["core"] + area["tile"]) == pytest.approx(0.44377, abs=5e-6)
    assert 1e3 * leakage["tile"] == pytest.approx(2.09007, abs=5e-6)
    node = sum(line.reference_area_m2 for line in found.lines)
    assert 1e6 * node == pytest.approx(85.7, abs=0.05)


def test_ours_is_what_the_hardware_has(found):
    ours = {line.name: line.ours for line in found.lines}
    # two units: 8 arrays, 128 rows and 128 x 8 columns driven, 8 converters each; four lanes
    assert (ours["crossbar"], ours["dac"], ours["adc"]) == (16, 2 * (128 + 1024), 16)
    assert (ours["shift_add"], ours["slice_carry"]) == (16, 2)
    assert (ours["alu"], ours["receive_buffer"], ours["router"], ours["link"]) == (4, 8, 1, 0)
    assert found.node.tiles == TILES
    assert found.area.total == pytest.approx(sum(line.area.total for line in found.lines))
    adc = next(line for line in found.lines if line.name == "adc")
    assert 1e6 * adc.area.total == pytest.approx(138 * 8 * 16 * 0.0012)


def test_weights_of_the_paper_are_its_megabytes(found):
    assert 138 * 16 * 128 * 128 * 2 == pytest.approx(PUBLISHED["bytes"], rel=1e-3)
    assert found.weight_bytes == 138 * 16 * 128 * 128 * 4


def test_peak_power_of_a_unit_by_hand():
    node = paper_node()
    powers = unit_powers(node, load_prices("panther"))
    # 512 pulses of 22.2 pJ in 67 cycles, and four banks' bits of operands
    xbar_in = 64 / 4 * 2 * 1.7e-12
    assert powers["OPA"].total == pytest.approx((512 * 22.2e-12 + xbar_in) / 67e-9)
    assert powers["MVM"].total < powers["OPA"].total
    assert powers["CRS"].total < powers["OPA"].total


def test_peak_is_leakage_and_the_costliest_operation(found):
    assert found.peak_operation == "OPA"
    units = 138 * 16
    rest = found.peak.total - found.leakage.total - found.power_by_operation["OPA"].total
    arrays = found.power_by_operation["OPA"].component("crossbar").total
    assert arrays == pytest.approx(units * 512 * 22.2e-12 / 67e-9)
    assert 0 < rest < 0.1 * found.peak.total
    slower = paper_node(replace(found.node.tile.core.mcu, timing=replace(
        found.node.tile.core.mcu.timing, pulse_cycles=5)))  # fmt: skip
    assert structure(node=slower).peak.total < 0.5 * found.peak.total


def test_constants_at_their_stated_powers_come_near_the_papers_power(found):
    leakage = sum(line.reference_leakage_w for line in found.lines)
    total = leakage + sum(reference_peak(load_prices("panther")).values())
    assert total == pytest.approx(PUBLISHED["power"], rel=0.08)


def test_every_component_has_a_reason(found):
    assert {line.name for line in found.lines} == set(REASONS)


def test_table_has_all_components_and_both_ends(found):
    part = table3()
    text = part.as_text()
    for line in found.lines:
        assert line.label in text
    assert "117" in text
    assert "105" in text
    for record in part.records:
        assert record["area_low_m2"] <= record["area_m2"] <= record["area_high_m2"]
