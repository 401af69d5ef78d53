"""Networks by name on a node at transaction level, beside golden."""

from dataclasses import replace

import numpy as np
import pytest

from panther.arch.core import MAX_MEMORY_WORDS
from panther.arch.network import TrainPlan
from panther.arch.params import OperationCycles
from panther.arch.presets import PAPER
from panther.train.errors import TrainError
from panther.train.problem import prepare
from panther.train.run import train
from panther.train.twin import compile_model, ready
from tests.panther.train.networks import examples, two_layers

SMALL = replace(PAPER, rows=32, columns=32)


@pytest.mark.parametrize("variant", ["V1", "V2", "V3"])
def test_trains_as_golden_does(variant):
    batch = 1 if variant == "V1" else 3
    twin = ready(compile_model("mlp", mcu=SMALL, variant=variant, batch=batch), 5)
    x, labels = twin.examples(2 * batch, seed=3)
    assert (x.shape, labels.shape) == ((2 * batch, 1, 1, 64), (2 * batch,))
    assert twin.wrong(x, labels)  # nothing is trained yet
    twin.train(x, labels)
    assert not twin.wrong(x, labels)
    units = twin.compiled.texts
    profiles = [twin.node.profile(*unit) for unit in units]
    cycles = [twin.node.status(*unit).cycle for unit in units]
    assert [profile[:, 1].sum() for profile in profiles] == cycles
    assert max(cycles) <= twin.node.clock


def test_changed_cell_is_found():
    twin = ready(compile_model("mlp", mcu=SMALL))
    x, labels = twin.examples()
    twin.train(x, labels)
    placed = twin.compiled.placed[0]
    array = twin.node.core(*placed.core).arrays[placed.unit]
    cells = array.cells.copy()
    cells[0, 3, 2] ^= 1
    array.cells = cells
    (line,) = twin.wrong(x, labels)
    assert "1 of " in line
    assert "first in slice 0, row 3, column 2" in line


def test_cells_are_those_given_or_the_seeds():
    compiled = compile_model("mlp", mcu=SMALL)
    first, again, other = ready(compiled), ready(compiled), ready(compiled, 2)
    for name, cells in first.cells.items():
        assert (cells == again.cells[name]).all()
        assert (cells != other.cells[name]).any()
        assert (cells.min(), cells.max()) == (-8, 7)
    given = {name: np.ones_like(cells) for name, cells in first.cells.items()}
    for name, cells in ready(compiled, cells=given).read_cells().items():
        assert (cells == given[name]).all()


def test_other_cycles_change_the_clock_alone():
    slow = replace(SMALL, cycles=OperationCycles(mvm=5000, mtvm=7000, opa=900, crs=100))
    clocks, cells = [], []
    for mcu in (SMALL, slow):
        twin = ready(compile_model("mlp", mcu=mcu))
        twin.train(*twin.examples(3))
        clocks.append(twin.node.clock)
        cells.append(twin.read_cells())
    assert all((cells[0][name] == cells[1][name]).all() for name in cells[0])
    assert clocks[1] > 3 * (2 * 5000 + 7000) > clocks[0]


def test_too_little_memory_is_made_larger():
    compiled = compile_model("tests/panther/train/networks.py:large_map")
    assert compiled.node.tile.core.memory_words == MAX_MEMORY_WORDS
    twin = ready(compiled)
    x, labels = twin.examples()
    twin.train(x, labels)
    assert not twin.wrong(x, labels)


def test_rtl_refuses_other_machines():
    for name, expected in (
        ("cycles.mvm=5", "Cycles of operations must be those of the RTL where there is RTL"),
        ("memory_words=65536", "Memory words must be at most 32768 in RTL, not 65536"),
    ):
        with pytest.raises(TrainError, match=expected):
            train("mlp", engine="rtl", examples=1, node="1x1", node_parameters=[name])


def test_runs_may_go_on_with_other_cycles():
    """They are no part of what is trained."""
    data = tuple(examples(two_layers()))
    first, second = (
        prepare(two_layers(), data, plan=TrainPlan(mcu=mcu))
        for mcu in (SMALL, replace(SMALL, cycles=OperationCycles(crs=5)))
    )
    assert first.identity() == second.identity()


def test_what_does_not_fit_says_so():
    with pytest.raises(TrainError, match=r"model must be .*, not 'vgg17'"):
        compile_model("vgg17")
