"""Program pairs in RTL; ``panther run`` and ``panther replay`` on it."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cocotb_tests.designs import core_bench
from cocotb_tests.expectations import CORE, FOLDER, pair_names
from cocotb_tests.program_run import Coverage
from cocotb_tests.random_programs import generate
from panther.arch.presets import core_preset
from panther.sim import ROOT, SIMULATORS
from panther.tools import ToolError, require_simulator

PANTHER = [sys.executable, "-c", "from panther.cli import main; main()"]


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


# ---- the command line


def panther(*arguments):
    """Status, stdout and stderr of a command on Icarus."""
    try:
        require_simulator("icarus")
    except ToolError as error:
        pytest.skip(f"NOT RUN: {error}")
    command = [*PANTHER, *map(str, arguments), "--sim", "icarus"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("twins", [(), ("--twins", "m1")], ids=["rtl", "mixed"])
def test_run_in_rtl_shows_what_the_transaction_level_does(tmp_path, twins):
    program = FOLDER / "masks.pasm"
    said = {}
    for engine, options in (("rtl", twins), ("transaction", ())):
        trace = tmp_path / engine
        status, out, _ = panther("run", program, "--engine", engine, "--trace", trace, *options)
        assert status == 0, out
        said[engine] = out.splitlines()[1:]
    compared = next(line for line in said["rtl"] if "compared" in line)
    assert re.fullmatch(r"  compared +[0-9]{5} values with the twin, all equal", compared)
    said["rtl"].remove(compared)
    assert said["rtl"] == said["transaction"]
    assert (tmp_path / "rtl").read_text() == (tmp_path / "transaction").read_text()


def test_run_without_lockstep_sees_the_same():
    program = FOLDER / "fault_watchdog_load.pasm"
    status, out, _ = panther("run", program, "--engine", "rtl", "--no-lockstep")
    assert status == 1
    assert "FAULT WATCHDOG at pc 1 in cycle 15: " in out
    assert "compared" not in out
    assert f"{program.with_suffix('.exp')}: all 3 expectations hold" in out


def test_stuck_cell_ends_in_a_divergence(tmp_path):
    program, fault = FOLDER / "opa.pasm", "stuck:unit=0,slice=1,row=2,column=3,value=5"
    trace = tmp_path / "trace"
    status, out, _ = panther("run", program, "--engine", "rtl", "--inject", fault, "--trace", trace)
    assert status == 1
    failed, divergence, *_ = out.splitlines()
    assert failed == "FAIL icarus"
    assert divergence.startswith(
        "first divergence: m0, operation 1, OPA, cells, slice 1, row 2, column 3: golden 0, rtl 5 "
    )
    assert re.search(
        r"the operation was begun by\n +cycle +35 +pc +7 +mcu m0:opa .*opa\.pasm:10\n", out
    )
    assert Path(re.search("^waves (.*)$", out, re.MULTILINE)[1]).name == "divergence.vcd"
    assert f"--engine rtl --sim icarus --limit 10000000 --inject {fault}\n" in out
    assert "mcu m0:opa" in trace.read_text()


def test_drill_that_is_not_seen():
    fault = "drop:event=9999"
    status, out, _ = panther("run", FOLDER / "mvm.pasm", "--engine", "rtl", "--inject", fault)
    assert status == 1
    assert out.endswith(f"FAIL fault {fault} was not seen: choose another place\n")


def test_interrupt_ends_the_run_and_its_simulator(tmp_path):
    spin = tmp_path / "spin.pasm"
    spin.write_text("again: jmp again\n")
    command = ["run", str(spin), "--preset", "SMALL", "--engine", "rtl", "--sim", "icarus"]
    try:
        require_simulator("icarus")
    except ToolError as error:
        pytest.skip(f"NOT RUN: {error}")
    # a shell's background jobs ignore interrupts, and so would what they start
    process = subprocess.Popen(
        [*PANTHER, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    for line in process.stderr:
        if "running" in line:
            break
    children: list[str] = []
    for _ in range(100):
        lists = Path(f"/proc/{process.pid}/task").glob("*/children")
        if children := [pid for path in lists for pid in path.read_text().split()]:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert children
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_replay_of_a_case_that_passes(tmp_path):
    case = tmp_path / "case.json"
    case.write_text(generate("loops", 3, CORE, core_preset(CORE), size=20).to_json())
    status, out, err = panther("replay", case)
    assert status == 0, out + err
    assert re.fullmatch(
        rf"{case} passes now: [0-9]+ instructions, [0-9]+ cycles, [0-9]+ values compared\n", out
    )
