import json

import pytest

from cocotb_tests.conftest import seed
from cocotb_tests.designs import core_bench
from cocotb_tests.program_run import Coverage
from cocotb_tests.random_programs import GENERATORS
from panther.arch.presets import CORES

# seeds of a program are those of the regression, so another one tries other programs
PROGRAMS = {
    "verilator": [
        ("extremes", 0, 0),
        *((name, n, 300) for n in range(4) for name in GENERATORS if name != "extremes"),
    ],
    "icarus": [(name, 9, 120) for name in ("loops", "memory", "faults", "arithmetic", "mixed")],
}
LEAST = {"verilator": 5000, "icarus": 500}


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_random_programs_agree(simulate, simulator):
    programs = [(name, 1000 * seed() + n, size) for name, n, size in PROGRAMS[simulator]]
    task = {"core": "SMALL", "programs": programs}
    variables = {"PANTHER_LOCKSTEP": json.dumps(task)}
    result = simulate(
        core_bench(CORES["SMALL"]), "core_tb", simulator, expected=1, variables=variables
    )
    found = json.loads((result.path / "lockstep.json").read_text())
    assert found["instructions"] >= LEAST[simulator]
    if simulator == "verilator":
        coverage = Coverage()
        coverage.add_json(json.dumps(found["coverage"]))
        assert not any(coverage.missing.values()), coverage.missing
