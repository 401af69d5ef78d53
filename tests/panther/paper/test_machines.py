import pytest

from panther.energy import load_prices
from panther.paper.machines import (
    BASE_MVM,
    BASE_OPA,
    DIGITAL,
    DIGITAL_MAC,
    MACHINES,
    OURS,
    RUNS,
    SOURCE,
    Accounting,
    resolution,
    serial_cycles,
    steps,
    study,
)
from panther.study.tasks import check_study
from tests.panther.paper.synthetic import row, rows

MVM, PULSE, LANE, CONTROL = 309e-12, 22.2e-12, 0.265244e-12, 0.05e-12
SERIAL = 8 * (6500e-12 + 22606.33e-12)
CARRIES = 8 * 128 * 128 * 0.045e-12


@pytest.fixture
def toy():
    return steps(rows())["toy"]


def test_digital_without_converters_is_the_same_run_at_other_prices():
    assert load_prices(DIGITAL_MAC.prices).cycles == load_prices(DIGITAL.prices).cycles
    given = row(DIGITAL)
    given["item_layer"] += [1, 1, 1, 3, 4]
    given["item_price"] += ["adc.leakage", "dac.leakage", "shift_add.leakage", "alu.leakage",
                            "router.leakage"]  # fmt: skip
    given["item_count"] += [5.0, 6.0, 7.0, 8.0, 9.0]
    found = steps([given])["toy"]
    assert set(found) == {"digital", "digital_mac"}
    with_them, without = found["digital"], found["digital_mac"]
    assert without.cycles == with_them.cycles
    leaks = load_prices(DIGITAL.prices).leakage_w
    more = 5 * leaks("adc") + 6 * leaks("dac") + 7 * leaks("shift_add")
    assert more > 0
    assert with_them.bill.total - without.bill.total == pytest.approx(more)


def test_both_studies_can_be_run():
    assert len(study().points()) == 2 * len(RUNS)
    for quick in (False, True):
        check_study(study(quick=quick))


def test_serial_access_is_the_sources():
    assert serial_cycles("panther") == pytest.approx(21218.75)
    assert resolution("cmos_opa", carries=False).total == pytest.approx(SERIAL)
    assert resolution("panther", carries=True).total == pytest.approx(SERIAL + CARRIES)


def test_functions_go_with_the_layer_before_them(toy):
    conv, linear = toy["panther"].layers
    assert (conv.name, linear.name) == ("conv2d_0", "linear_0")
    assert conv.bill.total == pytest.approx(10 * MVM + 100 * LANE)
    assert toy["panther"].shared.total == pytest.approx(7 * CONTROL)
    assert toy["panther"].bill.total == pytest.approx(
        10 * MVM + 100 * LANE + 20 * PULSE + 7 * CONTROL
    )
    assert [x.name for x in toy["panther"].kind(convolution=True)] == ["conv2d_0"]


def test_who_reads_and_writes_weights_serially_and_how_often(toy):
    accounting = Accounting(batch=4)
    plain = {key: step.bill.total for key, step in toy.items()}
    more = {key: accounting.whole(step).bill.total - plain[key] for key, step in toy.items()}
    assert more["panther"] == pytest.approx(5 * (SERIAL + CARRIES) / 4)
    assert more["panther_source"] == pytest.approx(5 * SERIAL / 4)
    assert more["base_mvm"] == pytest.approx(5 * SERIAL / 4)
    assert (more["digital"], more["base_opa_mvm"]) == pytest.approx((0, 0), abs=1e-21)
    longer = {key: 1e9 * accounting.whole(step).time_s - step.cycles for key, step in toy.items()}
    assert longer["panther"] == pytest.approx(640 / 4)
    assert longer["panther_source"] == longer["base_mvm"] == pytest.approx(21218.75 / 4)
    assert (longer["digital"], longer["base_opa_mvm"]) == pytest.approx((0, 0), abs=1e-6)


def test_by_outer_products_a_convolution_resolves_for_its_pixels(toy):
    step = toy["panther"]
    cost = Accounting(opas=50).whole(step)
    units = 2 * 100 / 50 + 3 * 1 / 50
    assert cost.bill.total - step.bill.total == pytest.approx(units * (SERIAL + CARRIES))
    assert 1e9 * cost.time_s - step.cycles == pytest.approx((100 / 50 + 1 / 50) * 640)


def test_layers_together_share_the_time_of_a_crs(toy):
    step, accounting = toy["panther"], Accounting(batch=64)
    both = accounting.layers(step, step.layers)
    alone = [accounting.layer(step, layer) for layer in step.layers]
    assert 1e9 * both.time_s == pytest.approx(600 + 200 + 640 / 64)
    assert both.bill.total == pytest.approx(sum(cost.bill.total for cost in alone))
    assert accounting.whole(step).bill.total - both.bill.total == pytest.approx(7 * CONTROL)


def test_a_core_that_is_switched_off_neither_leaks_nor_counts(toy):
    given = row(OURS)
    given["item_layer"] += [1, 1, 4]
    given["item_price"] += ["adc.leakage", "core_control.cycle", "router.leakage"]
    given["item_count"] += [5.0, 6.0, 8.0]
    step = steps([given])["toy"]["panther"]
    off = step.bill.total - Accounting(batch=1 << 20, gated=True).whole(step).bill.total
    crs = 5 * (SERIAL + CARRIES) / (1 << 20)
    # conv2d_0 is busy in 600 of 1000 cycles; routers stay on
    assert off + crs == pytest.approx(0.4 * (5 * 0.2e-3 + 6 * 0.25e-12))


def test_prices_of_each_machine_are_its_own(toy):
    prices = {m.key: load_prices(m.prices).energy_j("crossbar", "mvm_step") for m in MACHINES}
    assert prices[DIGITAL.key] > prices[OURS.key] > prices[BASE_MVM.key]
    for machine in (OURS, SOURCE, DIGITAL, BASE_MVM, BASE_OPA):
        conv, _ = toy[machine.key].layers
        assert conv.bill.total == pytest.approx(10 * prices[machine.key] + 100 * LANE)


@pytest.mark.parametrize(("given", "said"), [
    ({"batch": 0}, "Batch must be an integer in the range"),
    ({"opas": 0}, "Outer products must be an integer in the range"),
])  # fmt: skip
def test_accountings_there_cannot_be(given, said):
    with pytest.raises(ValueError, match=said):
        Accounting(**given)


def test_rows_of_several_networks():
    found = steps([*rows(), row(OURS, "other")])
    assert set(found) == {"toy", "other"}
    assert set(found["other"]) == {"panther"}
