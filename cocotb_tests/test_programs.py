"""Program pairs in RTL; ``panther run`` and ``panther replay`` on it."""

import json
import shutil

import pytest

from cocotb_tests.designs import core_bench
from cocotb_tests.expectations import CORE, FOLDER, pair_names
from cocotb_tests.program_run import Coverage
from panther.arch.presets import core_preset
from panther.sim import SIMULATORS


def run_pairs(simulate, simulator, names, folder=FOLDER):
    variables = {"PANTHER_PROGRAMS": json.dumps({"names": names, "folder": str(folder)})}
    design = core_bench(core_preset(CORE))
    return simulate(design, "programs_tb", simulator, expected=1, variables=variables)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_programs_do_what_is_expected(simulate, simulator):
    result = run_pairs(simulate, simulator, pair_names())
    coverage = Coverage()
    coverage.add_json(
        json.dumps(json.loads((result.path / "programs.json").read_text())["coverage"])
    )
    missing = coverage.missing
    assert not missing["instructions"]
    assert not missing["faults"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("s1 = 2", "mvm.exp:7: s1 must be 2, not 1"),
        ("stop = halted in cycle 131", "mvm.exp:7: stop must be halted in cycle 131, not "),
    ],
)
def test_value_that_is_wrong_fails(simulate, tmp_path, line, says):
    shutil.copy(FOLDER / "mvm.pasm", tmp_path)
    left = line.partition("=")[0]
    kept = [
        text for text in (FOLDER / "mvm.exp").read_text().splitlines() if not text.startswith(left)
    ]
    (tmp_path / "mvm.exp").write_text("\n".join([*kept[:6], line, *kept[6:]]))
    with pytest.raises(pytest.fail.Exception, match=r"first divergence|must be") as failure:
        run_pairs(simulate, "icarus", ["mvm"], tmp_path)
    assert says in str(failure.value)
