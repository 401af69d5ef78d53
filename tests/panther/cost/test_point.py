import pytest

from panther.arch.presets import PAPER
from panther.cost import point
from panther.energy import Bill, load_prices
from panther.study.errors import StudyError
from panther.study.tasks import find

MODEL = {"model": "mlp", "crs_period": "none"}


@pytest.fixture(scope="module")
def ours():
    return point.run(MODEL, lambda share: None)


def test_the_bill_is_the_energy_item_by_item(ours):
    prices = {price.name: price for price in load_prices("panther").prices()}
    bill = Bill()
    for name, count in zip(ours["item_price"], ours["item_count"], strict=True):
        bill.add(prices[name], count)
    assert bill.total == pytest.approx(ours["energy_j"])
    assert bill.interval.high == pytest.approx(ours["energy_high_j"])
    assert sum(ours["layer_energy_j"]) == pytest.approx(ours["energy_j"])
    assert sum(ours["group_energy_j"]) == pytest.approx(ours["energy_j"])


def test_operations_of_a_small_network_by_hand(ours):
    # 64-32-10: two matrix units, two MVM, one MTVM and two OPA of 64 phases
    groups = dict(zip(ours["groups"], ours["group_energy_j"], strict=True))
    assert ours["crossbars"] == 2
    assert groups["MVM"] == pytest.approx(2 * 16 * 8 * 309e-12)
    assert groups["MTVM"] == pytest.approx(16 * 8 * 309e-12)
    assert groups["OPA"] == pytest.approx(2 * 64 * 8 * 22.2e-12)
    assert groups["CRS"] == 0
    layers = dict(zip(ours["layers"], ours["layer_opas"], strict=True))
    assert [layers[name] for name in layers if name.startswith("linear")] == [1, 1]
    assert ours["crs_cycles"] == 18178


def test_another_machine_takes_other_time_and_energy_for_the_same_work(ours):
    source = point.run(MODEL | {"prices": "digital"}, lambda share: None)  # and its cycles
    assert source["cycles"] > 5 * ours["cycles"]
    counts = [
        {n: c for n, c in zip(found["item_price"], found["item_count"], strict=True)
         if n.startswith("crossbar") and "leakage" not in n}
        for found in (ours, source)
    ]  # fmt: skip
    assert counts[0] == counts[1]
    groups = dict(zip(source["groups"], source["group_energy_j"], strict=True))
    assert groups["MVM"] == pytest.approx(2 * 16 * 8 * 1142.579263e-12)


def test_memory_may_be_priced_as_the_papers():
    big = MODEL | {"node": "1x1", "set": ["memory_words=131072"]}
    as_is, paper = (
        point.run(big | {"memory": memory}, lambda share: None) for memory in ("node", "paper")
    )
    assert as_is["area_m2"] - paper["area_m2"] == pytest.approx(3 * (0.086 + 0.0115966) * 1e-6)
    assert as_is["energy_j"] > paper["energy_j"]
    assert as_is["cycles"] == paper["cycles"]


def test_cycles_of_operations_are_the_twins():
    assert point.operation_cycles(PAPER) == {"mvm": 2060, "mtvm": 2060, "opa": 67, "crs": 18178}


@pytest.mark.parametrize(("given", "said"), [
    ({"model": "mlp", "timing": "mine"}, "Timing must be one of auto, ours, source, not 'mine'"),
    ({"model": "mlp", "memory": 64}, "memory must be one of node, paper, not 64"),
    ({"prices": "panther"}, "model must be given"),
    ({"model": "mlp", "prices": "gold"}, "Price set must be one of"),
    ({"model": "mlp", "prices": "digital", "timing": "ours"},
     "Timing must be source with prices digital: it is another machine"),
    ({"model": "mlp", "prices": "digital", "set": ["headroom=16"]}, "Cycles of OPA must be left"),
    ({"model": "mlp", "set": ["rows=0"]}, "Rows must be"),
    ({"model": "mlp", "colour": 1}, "Parameter must be one of"),
])  # fmt: skip
def test_parameters_no_point_can_have(given, said):
    with pytest.raises(StudyError, match=said):
        find("cost").check(given)


def test_prices_are_part_of_a_points_name():
    task = find("cost")
    keys = {task.key(MODEL | {"prices": name}) for name in ("panther", "digital")}
    assert len(keys) == 2
    assert point.files(MODEL) == [load_prices("panther").path]


def test_what_prices_extend_is_part_of_a_points_name(tmp_path):
    own, base = tmp_path / "own.yaml", tmp_path / "base.yaml"
    base.write_text("name: base\ntitle: b\nextends: digital\n")
    own.write_text("name: own\ntitle: o\nextends: base.yaml\n")
    parameters = MODEL | {"prices": str(own)}
    folder = load_prices("panther").path.parent
    chain = [own, base, folder / "digital.yaml", folder / "panther.yaml"]
    assert point.files(parameters) == chain
    before = find("cost").key(parameters)
    base.write_text("name: base\ntitle: b\nextends: parts\n")
    assert find("cost").key(parameters) != before
