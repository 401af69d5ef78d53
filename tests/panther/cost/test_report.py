"""Tables, JSON and the page of what a run costs."""

import json
import re
from dataclasses import replace

import pytest

from panther.cost.layers import GROUPS, account
from panther.cost.measure import measure, on_machine
from panther.cost.report import (
    Cost,
    against_table,
    as_json,
    group_table,
    interval_text,
    layer_table,
    page,
    phase_table,
    ratios,
    remarks_of,
    remarks_of_cycles,
    si,
    source_table,
    totals,
)
from panther.cost.timeline import Sampler, timeline
from panther.energy import Interval, load_prices


@pytest.fixture(scope="module")
def cost(built, measured, prices):
    """A run, beside the digital machine's."""
    case = built(variant="V1", crs_period=2)
    run = measured(examples=4, variant="V1", crs_period=2)
    digital = load_prices("digital")
    other = measure(on_machine(case.compiled, digital), examples=4)
    return Cost(
        title=case.title, node=case.node_text, timing="ours", account=account(run, prices),
        against=(account(other, digital),), timeline=timeline(case.compiled, run),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 J"), (2.5, "2.5 J"), (7.5909e-6, "7.591 uJ"), (1e-3, "1 mJ"), (9.99e-13, "0.999 pJ")],
)
def test_numbers_have_prefixes(value, text):
    assert si(value, "J") == text


def test_ranges_share_a_prefix():
    assert interval_text(Interval(1.5e-6, 9e-7, 2e-3), "J") == "1.5 uJ (0.9 to 2000)"


def test_json_has_units_in_its_keys_and_adds_up(cost):
    found = json.loads(json.dumps(as_json(cost)))
    assert set(found) == {
        "network", "variant", "batch", "crs_period", "examples", "engine", "timing", "node",
        "cycles", "per_example", "area_m2", "layers", "against", "remarks",
    }  # fmt: skip
    one = found["per_example"]
    assert set(one) == {
        "prices", "cycles", "time_s", "examples_per_s", "energy_j", "energy_by_group_j",
        "energy_by_component_j", "power_w", "edp_js",
    }  # fmt: skip
    energy = one["energy_j"]["value"]
    assert one["energy_j"]["low"] < energy < one["energy_j"]["high"]
    for parts in (
        [layer["energy_j"]["value"] for layer in found["layers"]],
        [part["value"] for part in one["energy_by_group_j"].values()],
        list(one["energy_by_component_j"].values()),
        [sum(layer["energy_by_group_j"].values()) for layer in found["layers"]],
    ):
        assert sum(parts) == pytest.approx(energy)
    assert one["time_s"] == pytest.approx(found["cycles"] / 4 * 1e-9)
    assert one["power_w"]["value"] == pytest.approx(energy / one["time_s"])
    assert one["edp_js"]["value"] == pytest.approx(energy * one["time_s"])
    used = found["area_m2"]["tiles_used"]["value"]
    assert sum(layer["area_m2"]["value"] for layer in found["layers"]) == pytest.approx(used)
    assert 1e-8 < used < 1e-4
    (other,) = found["against"]
    assert other["energy_ratio"]["value"] == pytest.approx(other["energy_j"]["value"] / energy)
    assert other["edp_ratio"]["value"] == pytest.approx(
        other["edp_js"]["value"] / one["edp_js"]["value"]
    )


def test_ratios_have_prices_of_both_sides_once(cost):
    (found,) = ratios(cost)
    assert found.time == found.account.time_s / cost.account.time_s > 1
    apart = found.account.bill.interval.high / cost.account.bill.interval.low
    assert found.energy.low < found.energy.value < found.energy.high < apart
    head, rows = against_table(cost)
    assert [row[0] for row in rows] == ["panther", "digital"]
    assert {len(row) for row in rows} == {len(head)}


def test_tables_have_a_line_for_each_layer(cost):
    for make in (layer_table, group_table, phase_table):
        head, rows = make(cost.account)
        assert {len(row) for row in rows} == {len(head)}
        names = [row[0] for row in rows]
        assert names[:4] == ["linear_0", "linear_1", "softmax_cross_entropy_0", "shared"]
    assert group_table(cost.account)[0][1:-1] == list(GROUPS)
    assert [name for name, _ in totals(cost)][:2] == [
        "cycles of an example", "time of an example, at 1 GHz",
    ]  # fmt: skip


def test_every_price_stands_with_its_source(prices):
    head, rows = source_table(prices)
    assert len(rows) == len(list(prices.prices()))
    assert {len(row) for row in rows} == {len(head)}
    marks = [row[1] for row in rows]
    assert marks == sorted(marks, reverse=True)  # assumptions first
    assert marks[0] == "assumption"
    assert all(row[7] and row[8] for row in rows)
    units = {row[0]: row[2:4] for row in rows}
    assert units["alu.mul"] == ["0.565333", "pJ"]
    assert units["alu.leakage"] == ["0.192", "mW"]
    assert units["alu.area"] == ["0.004032", "mm2"]
    assert units["adc.convert"][0] == "in crossbar.mvm_step"


def test_page_needs_no_other_file(cost):
    html = page(cost)
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", html)
    assert html.count("data:image/png;base64,") == 4  # three by layer, one over time
    for text in ("linear_1", "Other machines", "digital", "assumption", "<details"):
        assert text in html


def test_page_of_a_large_network_has_strips(built, cost, monkeypatch):
    monkeypatch.setattr("panther.cost.pictures.MOST_UNITS", 4)
    compiled = built(variant="V1", crs_period=2).compiled
    sampler = Sampler(compiled)
    measure(compiled, examples=4, look=sampler.look)
    large = Cost(
        title="x", node="n", timing="ours", account=cost.account, timeline=cost.timeline,
        shares=sampler.shares,
    )  # fmt: skip
    html = page(large)
    assert "Busy crossbars over time" in html
    assert "ends a CRS period" not in html


def test_reader_is_told_what_is_missing(built, measured, prices):
    few = measured(examples=4, variant="V1", crs_period=5)
    assert remarks_of(account(few, prices), random=True) == [
        "No CRS in linear_0, linear_1: fewer than 5 outer products in 4 examples"
    ]
    enough = measured(examples=4, variant="V1", crs_period=2)
    assert remarks_of(account(enough, prices), random=True) == []


def test_cycles_of_other_crossbars_are_remarked(cost, built):
    assert remarks_of_cycles([cost.account]) == []
    said = "Cycles that come with digital are of crossbars of 128 x 128, all lines in use; here "
    some = "here some lines are not in use, which takes our RTL less time"
    [remark] = remarks_of_cycles([cost.account, *cost.against])
    assert remark == f"{said}they have 4 x 4, and {some}"
    other = cost.against[0]
    wide = on_machine(
        built("one", node="3x1", more=("rows=128", "columns=128")).compiled, other.prices
    )
    alone = replace(other, run=replace(other.run, compiled=wide))
    assert remarks_of_cycles([alone]) == [f"{said.removesuffix('here ')}{some}"]
