"""Runs: what is counted, and what is refused."""

from dataclasses import replace

import pytest

from panther.arch.params import OperationCycles
from panther.cost.case import build, with_memory
from panther.cost.layers import account
from panther.cost.measure import FIRST_LOOK, measure, on_machine, unequal, with_cycles
from panther.cost.pricing import CostError
from panther.energy import load_prices
from panther.host import HostError
from panther.train.errors import TrainError


def test_run_can_be_had_again(built, measured):
    run = measured(examples=4, variant="V1", crs_period=2)
    again = measure(built(variant="V1", crs_period=2).compiled, examples=4, seed=5)
    assert unequal(run, again) == []  # whatever weights and examples are
    assert run.cycles == max(
        counters[f"core{core}.running"] for counters in run.counters for core in range(2)
    )
    assert run.opas == {"linear_0": 0, "linear_1": 0}


def test_what_is_unequal_is_said(measured):
    run = measured(examples=4, variant="V1", crs_period=2)
    counters = [dict(counts) for counts in run.counters]
    counters[1]["sent"] += 2
    other = replace(run, cycles=run.cycles + 1, counters=tuple(counters))
    assert unequal(other, run) == [
        f"cycles {run.cycles + 1}, not {run.cycles}",
        f"tile 1: sent {counters[1]['sent']}, not {counters[1]['sent'] - 2}",
    ]


def test_other_cycles_change_time_and_leakage_alone(built, measured, prices):
    compiled = built(variant="V1", crs_period=2).compiled
    run = measured(examples=4, variant="V1", crs_period=2)
    slow = measure(with_cycles(compiled, OperationCycles(mvm=5000)), examples=4)
    assert slow.cycles > run.cycles + 4 * 2 * 4000
    ours, theirs = account(run, prices).energy, account(slow, prices).energy
    for group in ("MVM", "MTVM", "OPA", "CRS", "vector unit"):
        assert ours[group].total == theirs[group].total
    assert theirs["leakage"].total > 2 * ours["leakage"].total


def test_prices_of_another_machine_bring_its_cycles(built):
    compiled = built(variant="V1", crs_period=2).compiled
    assert on_machine(compiled, load_prices("panther")).node == compiled.node
    digital = on_machine(compiled, load_prices("digital"))
    assert digital.plan.mcu == digital.node.tile.core.mcu
    assert digital.plan.mcu.cycles == OperationCycles(mvm=16146, mtvm=16146, opa=1024, crs=1)


def test_node_is_shown_now_and_then(built):
    clocks = []

    def look(node):
        clocks.append(node.clock)
        return 1000

    run = measure(built(variant="V1", crs_period=2).compiled, examples=4, look=look)
    assert clocks == sorted(clocks)
    assert len(clocks) == pytest.approx(1 + (run.cycles - FIRST_LOOK) / 1000, abs=2)


@pytest.mark.parametrize("examples", [0, 3, 1 << 20])
def test_impossible_examples_are_refused(built, examples):
    compiled = built(variant="V2", batch=2).compiled
    room = compiled.layout.room
    text = f"Examples must be whole batches of 2, at most the {room} that fit the tiles' memories, "
    with pytest.raises(CostError, match=text + f"not {examples}"):
        measure(compiled, examples=examples)


def test_run_whose_counters_could_wrap_is_refused(built, monkeypatch):
    monkeypatch.setattr("panther.cost.measure.MOST_CYCLES", 500)
    with pytest.raises(CostError, match=r"fewer than .* cycles, for counters wrap: take fewer"):
        measure(built(variant="V1").compiled, examples=4)


def test_other_errors_of_the_host_stay_what_they_are(built, monkeypatch):
    """Whatever they say: a run is too long if its limit has passed."""

    def fails(*_args, **_kwargs):
        raise HostError("Nothing has ended well")

    monkeypatch.setattr("panther.cost.measure.Machine.run", fails)
    with pytest.raises(HostError, match="well"):
        measure(built(variant="V1").compiled, examples=4)


def test_memory_may_be_priced_as_the_papers(measured, prices):
    run = measured(examples=4, variant="V1", crs_period=2)
    core = replace(run.compiled.node.tile.core, memory_words=1 << 21)
    node = replace(run.compiled.node, tile=replace(run.compiled.node.tile, core=core))
    large = replace(run, compiled=replace(run.compiled, node=node))
    assert account(large, prices).area.total > 2 * account(run, prices).area.total
    same = account(with_memory(large, "paper"), prices)
    assert same.bill.total == account(run, prices).bill.total
    assert with_memory(large, "node") is large
    with pytest.raises(CostError, match="Memory must be one of node, paper, not 'sram'"):
        with_memory(run, "sram")


def test_examples_are_chosen_up_to_a_crs(built, monkeypatch):
    assert built(variant="V1").examples() == 16
    assert built(variant="V1", crs_period=5).examples() == 5
    assert built(variant="V2", batch=3, crs_period=5).examples() == 6
    assert built(variant="V1", crs_period=1000).examples() == 64
    monkeypatch.setattr("panther.cost.case.MOST_WORK", 5)  # more than there is to do
    assert built(variant="V1").examples() == 1
    assert built(variant="V2", batch=3, crs_period=5).examples() == 3


def test_data_may_be_given():
    case = build("mlp", data="digits", examples=3, node_parameters=["rows=32", "columns=32"])
    assert case.data is not None
    assert (case.data[0].shape, case.data[1].shape) == ((3, 1, 1, 64), (3,))
    run = measure(case.compiled, cells=case.cells, data=case.data)
    assert run.examples == 3
    with pytest.raises(TrainError, match="Examples must be at most the 1437 there are, not 2000"):
        build("mlp", data="digits", examples=2000)
