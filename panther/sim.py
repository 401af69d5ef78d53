"""Build a design for a simulator and run cocotb testbenches on it.

Builds live under ``build/sim``, keyed by a hash of everything that goes into them, so nothing is
built twice and parallel runs do not meet; each run has a folder of its own.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
from filelock import FileLock

from panther.tools import SIMULATORS, SimulationError, Tool, require_simulator, require_tool

ROOT = Path(__file__).resolve().parent.parent
BUILD_ROOT = ROOT / "build"

# lends the testbench a variable's memory under Verilator
MEMORY = ROOT / "panther" / "memory.cpp"
# run time of Verilator, and ours; the same objects for every design
_RUNTIME = (
    "verilated",
    "verilated_dpi",
    "verilated_vpi",
    "verilated_threads",
    "verilated_timing",
    "verilated_vcd_c",
    MEMORY.stem,
)


@dataclass(frozen=True, kw_only=True)
class Design:
    """Verilog to simulate."""

    toplevel: str
    """Name of the top module."""
    verilog: str
    """Text of all modules."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """A design made ready for a simulator."""

    design: Design
    simulator: str
    path: Path
    """Folder that holds the executable, or Icarus' program."""
    tool: Tool
    waves: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one testbench function came to."""

    name: str
    failure: str
    """Empty if it passed."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a simulation run came to."""

    outcomes: Sequence[Outcome]
    path: Path
    """Folder of the run: log, waves, whatever the testbench wrote."""
    seconds: float
    log: str = field(repr=False)

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.failure]


def digest(*parts: object) -> str:
    """Hash that names what is made of ``parts``."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:16]


def source_digest(*folders: str) -> str:
    """Hash of all Python sources under ``folders`` of the project."""
    files = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return digest(*(f"{path.relative_to(ROOT)}\n{path.read_text()}" for path in files))


def build(
    design: Design,
    simulator: str,
    *,
    waves: bool = False,
    fast: bool = False,
    brief: bool = False,
    stop: threading.Event | None = None,
) -> Build:
    """Make ``design`` ready for ``simulator`` ("icarus" or "verilator"), unless it already is.

    Parameters
    ----------
    design
        What to build.
    simulator
        "icarus" or "verilator".
    waves
        Able to write waveforms; slower.
    fast
        Spend more compile time on a faster simulation. Icarus does not mind.
    brief
        Spend less of it: for simulations of seconds.
    stop
        Set it from another thread to end the build.

    Raises
    ------
    ToolError
        If the simulator is missing or too old.
    SimulationError
        If it does not accept the design.
    ValueError
        If it is to be both fast and brief.
    """
    if fast and brief:
        raise ValueError("A build must be fast or brief, not both")
    tool = require_simulator(simulator)
    key = digest(
        design.toplevel,
        design.verilog,
        simulator,
        waves,
        fast,
        brief,
        _surroundings(tool),
        MEMORY.read_text(),
        Path(__file__).read_text(),
    )
    path = BUILD_ROOT / "sim" / f"{design.toplevel}-{simulator}-{key}"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = path / "done"
    if not done.exists():
        with FileLock(f"{path}.lock"):
            if not done.exists():
                shutil.rmtree(path, ignore_errors=True)
                path.mkdir()
                source = path / f"{design.toplevel}.v"
                source.write_text(design.verilog)
                if simulator == "verilator":
                    level = "-O3" if fast else "-O0" if brief else "-O1"
                    commands = _verilator_steps(design, source, tool, waves, level)
                else:
                    commands = _icarus_steps(design, source, tool, waves)
                for command in commands:
                    _execute(command, path, tool, stop)
                if simulator == "verilator":
                    _keep_runtime(design, path, tool, waves)
                done.touch()
    return Build(design=design, simulator=simulator, path=path, tool=tool, waves=waves)


def _surroundings(tool: Tool) -> str:
    """What an executable is linked against; where it lies counts too."""
    parts = [
        tool.version,
        tool.path,
        importlib.metadata.version("cocotb"),
        cocotb_tools.config.libs_dir,
    ]
    if tool.name == "verilator":
        parts.append(require_tool("g++").version)
    return " ".join(map(str, parts))


def _call(
    command: Sequence[str],
    path: Path,
    log: Path,
    environment: Mapping[str, str],
    *,
    timeout: float | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Run a program to its end, its output appended to ``log``; returns its status.

    Raises
    ------
    subprocess.TimeoutExpired
        If it took longer than ``timeout`` seconds and was killed.
    SimulationError
        If ``stop`` was set and it was killed.
    """
    with log.open("a") as stream:
        process = subprocess.Popen(
            command, cwd=path, env=environment, stdout=stream, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=stop is not None,
        )  # fmt: skip
    if stop is None:
        try:
            return process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
    # a session of its own, so all that the program started can be ended with it
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            return process.wait(0.1)
        except subprocess.TimeoutExpired:
            late = deadline is not None and time.monotonic() > deadline
            if late or stop.is_set():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if late:
                    raise
                raise SimulationError(f"{Path(command[0]).name} was stopped") from None


def _execute(
    command: Sequence[str], path: Path, tool: Tool, stop: threading.Event | None = None
) -> None:
    log = path / "build.log"
    code = _call(command, path, log, {**os.environ, **tool.env}, stop=stop)
    if code:
        tail = "\n".join(log.read_text().splitlines()[-30:])
        raise SimulationError(
            f"{Path(command[0]).name} failed on {path.name} with status {code}, log {log}:\n{tail}"
        )


def _icarus_steps(design: Design, source: Path, tool: Tool, waves: bool) -> Iterator[list[str]]:
    command = [str(tool.path), "-g2012", "-o", "design.vvp", "-s", design.toplevel]
    if waves:
        dump = source.with_name("dump.v")
        dump.write_text(
            '`timescale 1ns/1ps\nmodule dump;\n  initial begin\n    $dumpfile("waves.vcd");\n'
            f"    $dumpvars(0, {design.toplevel});\n  end\nendmodule\n"
        )
        command += ["-s", "dump", dump.name]
    yield [*command, source.name]


def _runtime_folder(design: Design, tool: Tool, waves: bool) -> Path:
    delays = "always #" in design.verilog
    key = digest(_surroundings(tool), MEMORY.read_text(), delays, waves)
    return BUILD_ROOT / "sim" / f"runtime-{key}"


def _verilator_steps(
    design: Design, source: Path, tool: Tool, waves: bool, level: str
) -> Iterator[list[str]]:
    libraries = cocotb_tools.config.libs_dir
    share = Path(cocotb_tools.config.share_dir)
    fast = level == "-O3"
    # delays become coroutines, and the wheel does not ask for the standard they need
    delays = "always #" in design.verilog
    timing = ["--timing"] if delays else ["--no-timing"]
    standard = "-std=c++20" if delays else "-std=c++17"
    yield [
            str(tool.path), "--cc", "--exe", "--vpi", *timing, "--prefix", "Vtop", "-o", "design",
            "--Mdir", ".", "--top-module", design.toplevel, "-Wno-fatal", "-Wno-lint", "-Wno-style",
            *(["--trace"] if waves else []),
            # testbenches reach the ports of the top module; what else they need is marked public
            *([] if fast else ["--public-depth", "1"]),
            "-CFLAGS", standard,
            "-LDFLAGS",
            f"-rdynamic -Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator",
            str(share / "lib" / "verilator" / "verilator.cpp"),
            str(MEMORY),
            source.name,
        ]  # fmt: skip
    # the makefile remakes objects older than itself, so the kept run time is laid in only now
    runtime = _runtime_folder(design, tool, waves)
    if runtime.exists():
        for item in runtime.iterdir():
            shutil.copy(item, source.parent)
    # many files are many compilers at a time; one file is a third less work for all of them, for
    # headers are read, and compiled for each of two levels, once
    files = [] if fast else ["VM_PARALLEL_BUILDS=0"]
    # what is slow runs once; the run time is shared by designs of all levels
    yield ["make", "-f", "Vtop.mk", "-j", "2", f"OPT_FAST={level}", "OPT_SLOW=-O0",
           "OPT_GLOBAL=-O2", f"VM_TRACE={int(waves)}", *files]  # fmt: skip


def _keep_runtime(design: Design, path: Path, tool: Tool, waves: bool) -> None:
    """Keep the objects of the run time for later builds; whoever comes first wins."""
    runtime = _runtime_folder(design, tool, waves)
    if runtime.exists():
        return
    with tempfile.TemporaryDirectory(dir=runtime.parent) as scratch:
        collected = Path(scratch) / "runtime"
        collected.mkdir()
        for name in _RUNTIME:
            for suffix in (".o", ".d"):
                if (item := path / f"{name}{suffix}").exists():
                    shutil.copy(item, collected)
        try:
            collected.rename(runtime)
        except OSError:
            if not runtime.exists():
                raise


def run(
    built: Build,
    testbench: str,
    *,
    seed: int,
    expected: int,
    variables: Mapping[str, str] | None = None,
    path: Path | None = None,
    timeout: float | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Run the cocotb tests of module ``testbench`` and read what came of them.

    Parameters
    ----------
    built
        The design.
    testbench
        Importable name of the testbench module.
    seed
        Seed of cocotb and of Python's random generator in the testbench.
    expected
        Number of test functions that must have run.
    variables
        Environment variables for the testbench.
    path
        Folder of the run; a new one under ``build/runs`` otherwise.
    timeout
        Seconds of wall-clock time after which the simulator is killed.
    stop
        Set it from another thread to end the run.

    Raises
    ------
    SimulationError
        If the simulator crashes, hangs, or reports another number of tests than ``expected``:
        a run without results is not a run that passed.
    """
    if path is None:
        runs = BUILD_ROOT / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        path = Path(
            tempfile.mkdtemp(prefix=f"{built.design.toplevel}-{built.simulator}-", dir=runs)
        )
    path.mkdir(parents=True, exist_ok=True)
    results = path / "results.xml"
    results.unlink(missing_ok=True)
    libpython = require_tool("libpython").path
    environment = {
        **os.environ,
        **built.tool.env,
        "COCOTB_TEST_MODULES": testbench,
        "COCOTB_TOPLEVEL": built.design.toplevel,
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        # pytest's rewriting would compile every imported library anew, seconds in every run
        "COCOTB_REWRITE_ASSERTION_FILES": "*_tb.py",
        "COCOTB_LOG_LEVEL": os.environ.get("COCOTB_LOG_LEVEL", "INFO"),
        "TOPLEVEL_LANG": "verilog",
        "GPI_USERS": f"{libpython};{cocotb_tools.config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        # numpy's threads would fight over the cores with parallel simulations
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **(variables or {}),
    }
    if built.simulator == "verilator":
        command = [str(built.path / "design")]
        if built.waves:
            command += ["--trace", "--trace-file", "waves.vcd"]
    else:
        command = ["vvp", "-n", "-M", str(cocotb_tools.config.libs_dir)]
        command += ["-m", cocotb_tools.config.lib_entry("vpi", "icarus")]
        command += [str(built.path / "design.vvp")]
        command += ["-vcd"] if built.waves else ["-none"]
    log = path / "run.log"
    start = time.monotonic()
    log.unlink(missing_ok=True)
    try:
        code = _call(command, path, log, environment, timeout=timeout, stop=stop)
    except subprocess.TimeoutExpired:
        raise SimulationError(
            f"{built.simulator} was killed after {timeout} s on {testbench}, log {log}"
        ) from None
    text = log.read_text(errors="replace")

    def broken(what: str) -> SimulationError:
        tail = "\n".join(text.splitlines()[-30:])
        return SimulationError(f"{testbench} on {built.simulator}: {what}, log {log}:\n{tail}")

    if not results.is_file():
        raise broken(f"no results were written (status {code})")
    outcomes = []
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        problems = [node for tag in ("failure", "error") for node in case.findall(tag)]
        if case.find("skipped") is not None:
            raise broken(f"test {case.get('name')} was skipped")
        message = "".join(
            node.get("error_msg") or node.get("message") or node.text or "failed"
            for node in problems
        )
        outcomes.append(Outcome(name=str(case.get("name")), failure=message))
    if len(outcomes) != expected:
        raise broken(f"{len(outcomes)} tests ran instead of {expected}")
    if code and not any(outcome.failure for outcome in outcomes):
        raise broken(f"all tests passed but the simulator ended with status {code}")
    return Result(outcomes=outcomes, path=path, seconds=time.monotonic() - start, log=text)


__all__ = [
    "BUILD_ROOT", "ROOT", "SIMULATORS", "Build", "Design", "Outcome", "Result", "SimulationError",
    "build", "run", "source_digest",
]  # fmt: skip
