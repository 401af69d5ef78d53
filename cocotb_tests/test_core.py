import json

import pytest

from cocotb_tests.conftest import seed
from cocotb_tests.designs import LOCKSTEP_CORES, core_bench
from cocotb_tests.program_run import Coverage
from cocotb_tests.random_programs import GENERATORS
from panther.arch.presets import CORES

# seeds of a program are those of the regression, so another one tries other programs
PROGRAMS = {
    "verilator": [
        ("extremes", 0, 0),
        *((name, n, 300) for n in range(4) for name in GENERATORS if name != "extremes"),
    ],
    "icarus": [(name, 9, 120) for name in GENERATORS if name != "extremes"],
}
CORE = {"verilator": "EIGHT", "icarus": "SMALL"}
LEAST = {"verilator": 5000, "icarus": 500}


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_random_programs_agree(simulate, simulator):
    programs = [(name, 1000 * seed() + n, size) for name, n, size in PROGRAMS[simulator]]
    core = CORE[simulator]
    variables = {"PANTHER_LOCKSTEP": json.dumps({"core": core, "programs": programs})}
    design = core_bench(CORES[core])
    result = simulate(design, "core_tb", simulator, expected=1, variables=variables)
    found = json.loads((result.path / "lockstep.json").read_text())
    assert found["instructions"] >= LEAST[simulator]
    coverage = Coverage()
    coverage.add_json(json.dumps(found["coverage"]))
    if simulator == "verilator":
        # what a core with all units and instructions there can be never meets
        missing = {"instructions": [], "ends of fields": [], "faults": ["PC", "MASK"]}
        assert coverage.missing == missing
    else:
        assert coverage.missing["faults"] == []


def test_other_updates_agree(simulate):
    programs = [("matrix", 1000 * seed() + 3, 120)]
    variables = {"PANTHER_LOCKSTEP": json.dumps({"core": "UPDATES", "programs": programs})}
    design = core_bench(LOCKSTEP_CORES["UPDATES"])
    simulate(design, "core_tb", "icarus", expected=1, variables=variables)


# simulator, units at transaction level, and programs
MIXED = [
    ("verilator", (1,), [(name, n) for n in range(2) for name in ("matrix", "mixed", "faults")]),
    ("icarus", (1,), [("matrix", 8), ("mixed", 8)]),
    ("icarus", (0, 1, 2), [(name, n) for n in (7, 8) for name in ("matrix", "mixed", "faults")]),
]


@pytest.mark.parametrize(
    ("simulator", "twins", "programs"), MIXED, ids=["verilator-1", "icarus-1", "icarus-012"]
)
def test_units_at_transaction_level_change_nothing(simulate, simulator, twins, programs):
    cases = [(name, 1000 * seed() + n, 100) for name, n in programs]
    variables = {"PANTHER_LOCKSTEP": json.dumps({"core": "SMALL", "programs": cases})}
    design = core_bench(CORES["SMALL"], twins)
    simulate(design, "core_tb", simulator, expected=1, variables=variables)


def test_units_of_both_kinds_are_the_same_to_host_and_program(simulate):
    programs = [("matrix", 1000 * seed() + 6, 60), ("mixed", 1000 * seed() + 6, 60)]
    variables = {"PANTHER_PROGRAMS": json.dumps(programs)}
    design = core_bench(CORES["SMALL"], (1,))
    simulate(design, "mixed_tb", "icarus", expected=2, variables=variables)


@pytest.mark.parametrize("simulator", ["icarus"])
def test_start_waits(simulate, simulator):
    simulate(core_bench(CORES["SMALL"]), "core_start_tb", simulator, expected=2)


def test_unit_that_does_not_exist():
    with pytest.raises(
        ValueError, match=r"^Twin unit must be an integer in the range \[0, 2\], not 3$"
    ):
        core_bench(CORES["SMALL"], (0, 3))
