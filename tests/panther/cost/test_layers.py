"""Who did what: programs against counters, and bills against bills by hand."""

from dataclasses import replace

import pytest

from panther.cost.layers import (
    GROUPS,
    SHARED,
    account,
    by_group,
    differences,
    group_of,
    programs_did,
    whole,
)
from panther.energy import PRICE_SETS, PriceError, load_prices

BATCH = {"V1": 1, "V2": 2, "V3": 2}


@pytest.mark.parametrize("variant", ["V1", "V2", "V3"])
def test_programs_did_what_counters_say(measured, variant):
    run = measured(examples=4, variant=variant, batch=BATCH[variant], crs_period=2)
    programs = programs_did(run)
    assert differences(run, programs) == []
    tiles = {unit[0] for unit in programs}
    assert len(tiles) == 3  # words go from tile to tile
    assert all(counters["received"] for counters in run.counters[1:])
    phases = {phase for program in programs.values() for _, phase in program}
    assert phases >= {"control", "set-up", "forward", "loss", "backward", "update", "resolve"}
    assert "communication" in phases


def test_words_may_begin_within_groups(built, measured):
    """Rows 7 and 8 of a matrix, in a crossbar of their own, lie in two groups."""
    crooked = {"variant": "V1", "crs_period": 2, "more": ("rows=7", "columns=6", "adc.per_slice=1")}
    run = measured(examples=4, **crooked)
    programs = programs_did(run)
    assert differences(run, programs) == []
    compiled = built(**crooked).compiled
    assert {origin.lane for unit in programs for origin in compiled.origin(unit)} == {0, 3}


@pytest.mark.parametrize(
    ("tile", "name"),
    [(0, "core1.words_read"), (1, "core0.running"), (0, "accesses"), (1, "received"),
     (2, "instructions"), (1, "core0.other")],
)  # fmt: skip
def test_wrong_counter_is_found(measured, tile, name):
    run = measured(examples=4, variant="V1", crs_period=2)
    counters = [dict(counts) for counts in run.counters]
    counters[tile][name] += 1
    wrong = differences(replace(run, counters=tuple(counters)), programs_did(run))
    right = counters[tile][name]
    assert wrong == [f"tile {tile}: {name} {right}, its program's instructions {right - 1}"]


@pytest.mark.parametrize("variant", ["V1", "V2", "V3"])
def test_layers_add_up_to_the_node(measured, prices, variant):
    run = measured(examples=4, variant=variant, batch=BATCH[variant], crs_period=2)
    found = account(run, prices)
    together, alone = found.bill * run.examples, whole(found).bill
    assert together.counts.keys() == alone.counts.keys()
    for price, count in together.counts.items():
        assert count == pytest.approx(alone.counts[price], rel=1e-12), price.name
    assert [layer.name for layer in found.layers] == [
        "linear_0", "linear_1", "softmax_cross_entropy_0", SHARED,
    ]  # fmt: skip
    crossbars = [layer.crossbars for layer in found.layers]
    # 9 x 6 and 9 x 4 in pieces of 4 x 4; V2 has copies of what errors go back through
    assert crossbars == [3 * 2, 3 + (2 if variant == "V2" else 0), 0, 0]
    assert found.area.total == pytest.approx(sum(layer.area.total for layer in found.layers))
    assert found.area.total < found.area_of_node.total * (1 + 1e-12)
    assert set(found.layers[0].energy) == set(GROUPS)


def test_bill_of_one_matrix_is_that_by_hand(measured, prices):
    run = measured("one", examples=4, node="1x1", crs_period=2)
    found = account(run, prices)
    layer = found.layers[0]
    energy = {name: bill.total for name, bill in layer.energy.items()}
    pj, size, slices, examples = 1e-12, 4 * 4 / 128**2, 8, 4
    assert energy["MVM"] == pytest.approx(examples * 16 * slices * size * 309 * pj)
    assert energy["MTVM"] == 0
    assert energy["OPA"] == pytest.approx(examples * 16 * 4 * slices * size * 22.2 * pj)
    # two CRS of four rows, three inputs being padded to a group, and two columns
    rows = 2 * 4
    resolved = rows * slices * (50.78125 + 176.61195) * 4 / 128 + rows * 4 * slices * 0.045
    assert energy["CRS"] == pytest.approx(resolved * pj)
    # both columns at once, two converters a slice
    conversions = examples * 16
    assert energy["converters"] == pytest.approx(
        (conversions * 2 * slices * 0.045 + conversions * 4 * slices * 8.73e-6) * pj,
        rel=1e-9,
    )
    # cores leak while they run, and nobody else has a crossbar here
    running = run.counters[0]["core0.running"]
    inventory = found_inventory(run, prices)
    watts = inventory.leakage(inventory.core).total + 2 * inventory.leakage(inventory.mcu).total
    assert energy["leakage"] == pytest.approx(running * 1e-9 * watts)
    assert layer.crossbars == 1
    assert layer.used == 4 * 2 / 16
    assert layer.busy == run.counters[0]["core0.m0.busy"]
    assert layer.energy["network"].total == 0


def found_inventory(run, prices):
    from panther.energy import Inventory

    return Inventory(node=run.compiled.node, prices=prices)


def test_vector_unit_by_hand(measured):
    """What stands in the text of a program, instruction by instruction."""
    run = measured("one", examples=4, node="1x1", crs_period=2)
    did = programs_did(run)[0, 0]
    # y - target, times 2 / n: one subtraction, and one product
    loss = did["mse_0", "loss"].counts
    assert loss["mul"] == 4 * 2
    # sum of the label's word; ceq, and, sub of two words each
    assert loss["other"] == 4 * (1 + 3 * 2)
    update = did["linear_0", "update"].counts
    assert update["mul"] == 4 * 2  # d times the learning rate
    assert (update["table"], update["div"]) == (0, 0)
    # x in one group, d in another
    assert update["accesses"] == 4 * 2
    assert did["linear_0", "resolve"].counts["instructions"] == 4 * 2 + 2 * 2


@pytest.mark.parametrize("name", PRICE_SETS)
def test_every_price_belongs_to_a_group(name):
    for price in load_prices(name).prices():
        if not price.name.endswith(".area"):
            assert group_of(price.name) in GROUPS


def test_groups_are_the_whole_bill(measured, prices):
    found = account(measured(examples=4, variant="V1", crs_period=2), prices)
    parts = by_group(found.bill)
    assert sum(bill.total for bill in parts.values()) == pytest.approx(found.bill.total)
    assert found.energy["leakage"].total > 0
    assert found.power_w.value == pytest.approx(found.bill.total / found.time_s)
    assert found.edp_js.high == pytest.approx(found.bill.interval.high * found.time_s)


def test_count_without_a_price_names_the_file(measured, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("extends: panther\nname: mine\n")
    known = load_prices(file)
    alu = known.components["alu"]
    without = {name: price for name, price in alu.actions.items() if name != "mul"}
    components = {**known.components, "alu": replace(alu, actions=without)}
    with pytest.raises(PriceError, match=rf"alu\.mul must have a price: add it to {file}"):
        account(measured("one", examples=4, node="1x1", crs_period=2),
                replace(known, components=components))  # fmt: skip
