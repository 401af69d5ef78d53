"""Programs of the PUMA compiler in RTL.

A random one runs on a whole node. The samples need the paper's tiles: ``make puma`` runs each of
those that compute in RTL.
"""

import json

import pytest

from cocotb_tests.conftest import seed
from cocotb_tests.designs import NODES, node_lockstep_bench
from cocotb_tests.puma_case import PumaCase
from cocotb_tests.random_puma import RandomPuma

NODE = "LOCKSTEP_SQUARE"


@pytest.mark.parametrize("number", range(2))
def test_values_are_those_of_the_text(simulate, tmp_path, number):
    number += 10 * seed()
    RandomPuma(NODES[NODE], number).write(tmp_path)
    case = PumaCase(
        folder=str(tmp_path), node=NODE, seed=number, shift=3, weight_bits=8, word_bits=16
    )
    variables = {"PANTHER_PUMA": json.dumps({"case": case.to_json(), "tile": None})}
    design = node_lockstep_bench(NODES[NODE])
    result = simulate(design, "puma_tb", "verilator", expected=1, variables=variables)
    found = json.loads((result.path / "puma.json").read_text())
    assert found["events"] > 300
    assert found["cells"] == 12 * 2 * 4 * 4
