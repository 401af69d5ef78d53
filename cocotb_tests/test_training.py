"""The demo: its numbers are those of the README, and its fault drills find their faults."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from panther.sim import ROOT
from panther.tools import ToolError, require_simulator

PANTHER = [sys.executable, "-c", "from panther.cli import main; main()"]
FLOAT = re.compile(r"([\d.]+) % float64 SGD")


def demo(*arguments):
    done = subprocess.run(
        [*PANTHER, "demo", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    return done.returncode, done.stdout + done.stderr


def require(simulator):
    try:
        require_simulator(simulator)
    except ToolError as error:
        pytest.skip(f"NOT RUN: {error}")


def test_readme_shows_what_the_demo_prints(tmp_path):
    require("icarus")
    status, said = demo("--output", str(tmp_path))
    assert status == 0, said
    summary = (tmp_path / "summary.txt").read_text()
    assert "mismatches" in summary
    readme = (ROOT / "README.md").read_text()
    # float64 rounding may differ from one processor to another; everything else may not
    here = float(FLOAT.search(summary)[1])
    there = float(FLOAT.search(readme)[1])
    assert abs(here - there) <= 1
    assert FLOAT.sub("float64 SGD", summary) in FLOAT.sub("float64 SGD", readme)
    golden = float(re.search(r"([\d.]+) % here", summary)[1])
    assert abs(golden - here) <= 1, "this arithmetic must train as well as float64 SGD"
    assert (tmp_path / "demo.png").stat().st_size > 10_000


STUCK = ("stuck:unit=1,slice=3,row=7,column=2,value=5", "unit1, first weights, cells, slice 3, row")
FLIP = ("flip:row=20,bit=9,example=1", "unit0, example 1, MVM, line")
DROP = ("drop:slice=5,line=4,event=20", "unit0, example 1, MVM, line 4")


@pytest.mark.parametrize(
    ("fault", "place", "simulator"),
    [
        (*STUCK, "verilator"),
        (*FLIP, "verilator"),
        (*DROP, "verilator"),
        (*FLIP, "icarus"),
    ],
    ids=["stuck-verilator", "flip-verilator", "drop-verilator", "flip-icarus"],
)
def test_fault_drill_ends_in_a_divergence(tmp_path, fault, place, simulator):
    require(simulator)
    status, said = demo(
        "--sim", simulator, "--examples", "3", "--inject", fault, "--output", str(tmp_path)
    )
    assert status == 1, said
    assert f"first divergence: {place}" in said
    assert f"panther demo --sim {simulator} --examples 3" in said
    assert f"--inject {fault}" in said
    waves = re.search(r"^waves (.*)$", said, re.MULTILINE)[1]
    assert waves.endswith("divergence.vcd"), waves
    assert not list(tmp_path.iterdir())  # a failed run leaves no results
    readme = (ROOT / "README.md").read_text()
    if f"--sim {simulator} --examples 3 --inject {fault}" in readme:
        divergence = next(line for line in said.splitlines() if "first divergence" in line)
        assert divergence in readme


def test_interrupt_ends_the_demo_and_its_simulator(tmp_path):
    require("icarus")
    process = subprocess.Popen(
        [*PANTHER, "demo", "--sim", "icarus", "--examples", "500", "--output", str(tmp_path)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
        # a shell's background jobs ignore interrupts, and so would what they start
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    for line in process.stdout:
        if "training" in line:
            break
    children = simulators_of(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert children
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not list(tmp_path.iterdir())


def simulators_of(parent):
    """Process numbers of the simulators a process has started."""
    for _ in range(100):
        children = Path(f"/proc/{parent}/task").glob("*/children")
        if pids := [int(pid) for path in children for pid in path.read_text().split()]:
            return pids
        time.sleep(0.1)
    return []
