"""Whose cycles go with which prices."""

from dataclasses import replace

import pytest

from panther.arch.params import OperationCycles
from panther.arch.presets import PAPER
from panther.cost.pricing import CostError, cycles_of, timing_of, unit_of
from panther.energy import PRICE_SETS, load_prices


@pytest.mark.parametrize("name", PRICE_SETS)
def test_other_machines_take_their_own_cycles(name):
    prices = load_prices(name)
    foreign = name not in ("panther", "parts")
    assert timing_of(prices) == timing_of(prices, "auto") == ("source" if foreign else "ours")
    assert timing_of(prices, "source") == "source"
    assert unit_of(PAPER, prices) == (
        replace(PAPER, cycles=cycles_of(prices)) if foreign else PAPER
    )
    if foreign:
        with pytest.raises(CostError, match=f"Timing must be source with prices {name}: it is"):
            timing_of(prices, "ours")
    with pytest.raises(CostError, match="Timing must be one of auto, ours, source, not 'mine'"):
        timing_of(prices, "mine")


def test_a_machine_stays_what_it_is_under_another_name(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\ntitle: mine\nextends: digital\n")
    (tmp_path / "more.yaml").write_text("name: more\ntitle: more\nextends: mine.yaml\n")
    prices = load_prices(tmp_path / "more.yaml")
    assert timing_of(prices) == "source"
    assert unit_of(PAPER, prices).cycles == OperationCycles(mvm=16146, mtvm=16146, opa=1024, crs=1)


def test_all_cycles_must_be_there():
    prices = replace(load_prices("digital"), cycles={"mvm": 9, "crs": 1})
    with pytest.raises(CostError, match=r"Cycles of mtvm, opa must be given .*digital\.yaml$"):
        cycles_of(prices)


def test_a_unit_must_be_able_to_take_them():
    tracked = replace(PAPER, headroom=16)
    assert unit_of(tracked, load_prices("panther")) is tracked
    with pytest.raises(CostError, match="Cycles of OPA must be left to the RTL with headroom"):
        unit_of(tracked, load_prices("digital"))
