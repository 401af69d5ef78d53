"""Training on two tiles in RTL."""

import json

from cocotb_tests.designs import node_lockstep_bench
from cocotb_tests.two_tiles import NODE

STEPS = 100


def test_two_tiles_train_as_golden_does(simulate):
    design = node_lockstep_bench(NODE)
    variables = {"PANTHER_TWO_TILES": json.dumps({"steps": STEPS})}
    result = simulate(design, "two_tiles_tb", "verilator", expected=1, variables=variables)
    found = json.loads((result.path / "two_tiles.json").read_text())
    assert found["steps"] == STEPS
    assert [tile["sent"] for tile in found["counters"]] == [2 * STEPS] * 2
