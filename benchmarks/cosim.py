"""Speed of the co-simulation: simulated clock cycles per CPU second, and what Python takes of it.

Three engines play the same scripts on one matrix compute unit of the paper's size, Verilated from
the same text, and must give the same answers in the same number of cycles:

- ``cocotb``: the testbenches' way, an array model in Python called once per analog event;
- ``in-process``: a Verilated library in the Python process, same array model, no cocotb;
- ``limit``: the same library in a bare C++ loop that copies recorded answers of the array model.

``python -m benchmarks.cosim`` prints medians of interleaved rounds, in CPU time.
"""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import argparse
import ctypes
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from cocotb_tests.analog_bridge import AnalogBridge, Memory
from cocotb_tests.bench import result_bits, script_bits
from cocotb_tests.designs import mcu_bench
from cocotb_tests.host import DEPTH, Script
from models.analog.array import IdealArray
from panther import sim
from panther.arch.mcu import ConfigKey, InBank, Operation, OutBank
from panther.arch.presets import PAPER
from panther.tools import Tool, require_simulator

PARAMS = PAPER
SHIFT = 20
ENGINES = ("cocotb", "in-process", "limit")
LIMIT_RATIO = 5.0
"""How much slower than the limit MVM sections through cocotb may be."""
OPERATIONS = (Operation.MVM, Operation.MTVM, Operation.OPA, Operation.CRS)
CYCLES = (16 * 128 + 2 * 128 + 32, 16 * 128 + 2 * 128 + 32, 96, 128 * (2 * 128 + 16))
"""Most cycles of each."""
EVENT, DONE = 1, 2


@dataclass(frozen=True, kw_only=True)
class Section:
    """Scripts of one kind; the first and the last answer are cycles."""

    name: str
    scripts: Sequence[Script]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One section on one engine."""

    cycles: int
    seconds: float
    """CPU time of the process."""
    python: float
    """CPU time spent in the array model and its bridge."""
    events: int
    answers: list[list[list[int]]]
    """Answers of every script; cycles counted from the script's first."""


def sections() -> list[Section]:
    """The scripts, always the same; ``training`` is 16 examples through one unit and a CRS."""
    rng = np.random.default_rng(1)
    rows, columns = PARAMS.rows, PARAMS.columns

    def word(count: int) -> NDArray[np.int64]:
        half = 1 << (PARAMS.operand_bits - 1)
        return rng.integers(-half, half, count)

    def single(name: str, operation: Operation, count: int, banks: dict[InBank, int]) -> Section:
        """``count`` operations; before each a few words of its operands change."""
        script = Script(PARAMS)
        script.cycle()
        for _ in range(count):
            for bank, changed in banks.items():
                script.write(bank, word(changed))
            script.command(operation)
        check(script)
        return Section(name=name, scripts=[script])

    def check(script: Script) -> None:
        script.read(OutBank.MVM, columns)
        script.read(OutBank.MTVM, rows)
        for row in (0, rows - 1):
            script.command(Operation.READ, row)
            script.read_cells(columns)
        script.cycle()

    setup = Script(PARAMS)
    setup.cycle()
    setup.configure(ConfigKey.MVM_SHIFT, SHIFT)
    setup.configure(ConfigKey.MTVM_SHIFT, SHIFT)
    for bank in InBank:
        setup.write(bank, word(columns if bank in (InBank.MTVM, InBank.OPA_COLUMNS) else rows))
    # each once, for its cycles and because the first call of a kernel loads it
    for operation in OPERATIONS:
        setup.cycle()
        setup.command(operation)
    setup.cycle()

    mix = []
    for group in range(4):
        script = Script(PARAMS)
        script.cycle()
        for _ in range(4):
            script.write(InBank.MVM, word(rows))
            script.command(Operation.MVM)
            script.read(OutBank.MVM, columns)
            script.write(InBank.MTVM, word(columns))
            script.command(Operation.MTVM)
            script.read(OutBank.MTVM, rows)
            script.write(InBank.OPA_ROWS, word(rows) >> 6)
            script.write(InBank.OPA_COLUMNS, word(columns) >> 6)
            script.command(Operation.OPA)
        if group == 3:
            script.command(Operation.CRS)
        script.cycle()
        mix.append(script)
    return [
        Section(name="setup", scripts=[setup]),
        single("MVM", Operation.MVM, 48, {InBank.MVM: 8}),
        single("MTVM", Operation.MTVM, 48, {InBank.MTVM: 8}),
        single("OPA", Operation.OPA, 256, {InBank.OPA_ROWS: 2, InBank.OPA_COLUMNS: 2}),
        single("CRS", Operation.CRS, 3, {}),
        Section(name="training", scripts=mix),
    ]


def array() -> IdealArray:
    """The array model as the sections find it."""
    model = IdealArray(PARAMS)
    rng = np.random.default_rng(2)
    half = 1 << (PARAMS.slices.value_bits - 1)
    shape = (PARAMS.slices.count, PARAMS.rows, PARAMS.columns)
    model.cells = rng.integers(-half, half, shape).astype(np.int16)
    return model


def measurement(
    answers: Sequence[NDArray[np.uint32]], seconds: float, python: float = 0.0, events: int = 0
) -> Measurement:
    """Measurement of a section from the answers of its scripts."""
    cycles = 0
    listed = []
    for answer in answers:
        words = answer.astype(np.int64)
        words[-1, 0] -= words[0, 0]
        words[0, 0] = 0
        cycles += int(words[-1, 0])
        listed.append(words.tolist())
    return Measurement(cycles=cycles, seconds=seconds, python=python, events=events, answers=listed)


class Library:
    """The Verilated bench as a library, its clock a port.

    Parameters
    ----------
    path
        The library.
    """

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        self._library.panther_memory.restype = ctypes.c_void_p
        self._library.engine_replay.restype = ctypes.c_uint64
        library = self._library

        class LentMemory(Memory):
            def locate(self, scope: str, name: str) -> int:
                return int(library.panther_memory(scope.encode(), name.encode()))

        self._library.engine_open()
        self.memory = LentMemory
        self.unit = SimpleNamespace(converter="bench.unit0.converter", host="bench.unit0.host")
        host = self.unit.host
        self._length = LentMemory(host, "length")
        self._script = LentMemory(host, "script", width=script_bits(PARAMS) // 32, count=DEPTH)
        self._results = LentMemory(host, "results", width=result_bits(PARAMS) // 32, count=DEPTH)

    def load(self, script: Script) -> None:
        self._script.write(script.words())
        self._length.write(np.array([[script.length]]))

    def run(self, bridge: AnalogBridge) -> None:
        """Until the script is done, the bridge serving."""
        news = 0
        while not news & DONE:
            news = self._library.engine_run()
            if news & EVENT:
                bridge.serve_one()

    def replay(self, recorded: NDArray[np.uint32]) -> None:
        """Until the script is done, the array model's answers copied from ``recorded``."""
        count, size = len(recorded), recorded[0].size if len(recorded) else 0
        answers = self._library.engine_replay(
            recorded.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(count), ctypes.c_uint64(size)
        )
        if answers != count:
            raise RuntimeError(f"{count} answers were recorded but {answers} were asked for")

    def answers(self, script: Script) -> NDArray[np.uint32]:
        return np.array(self._results.read(0, script.answers))


def _execute(command: Sequence[str], path: Path, tool: Tool) -> None:
    done = subprocess.run(
        command, cwd=path, capture_output=True, text=True, env={**os.environ, **tool.env},
        timeout=600, check=False,
    )  # fmt: skip
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise RuntimeError(f"{command[0]} failed with status {done.returncode}:\n{tail}")


def build_library() -> Path:
    """The bench as a library, unless it is there already."""
    tool = require_simulator("verilator")
    design = mcu_bench(PARAMS)
    sources = [
        sim.ROOT / "benchmarks" / "engine.cpp",
        sim.MEMORY,
    ]
    texts = [source.read_text() for source in (*sources, Path(__file__))]
    path = sim.BUILD_ROOT / "sim" / f"engine-{sim.digest(design.verilog, tool.version, *texts)}"
    library = path / "engine.so"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not library.exists():
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
            (path / "bench.v").write_text(design.verilog)
            _execute(
                [
                    str(tool.path), "--cc", "--exe", "--vpi", "--no-timing", "-DCLOCK_PORT",
                    "--prefix", "Vtop", "--Mdir", ".", "--top-module", design.toplevel,
                    "-Wno-fatal", "-Wno-lint", "-Wno-style", "-CFLAGS", "-fPIC -O3 -std=c++17",
                    "-LDFLAGS", "-shared", "-o", "engine.partial",
                    *map(str, sources), "bench.v",
                ], path, tool,
            )  # fmt: skip
            flags = [f"OPT_{kind}=-O3" for kind in ("FAST", "SLOW", "GLOBAL")]
            _execute(["make", "-f", "Vtop.mk", "-j", "2", *flags], path, tool)
            (path / "engine.partial").rename(library)
    return library


def library_round(
    path: Path, engine: str, recorded: dict[str, NDArray[np.uint32]]
) -> dict[str, Measurement]:
    """All sections once on one of the engines without cocotb."""
    library = Library(path)
    bridge = AnalogBridge(library.unit, PARAMS, array(), memory=library.memory)
    measured = {}
    for section in sections():
        start, served, events = time.process_time(), bridge.seconds, bridge.events
        answers = []
        seconds = 0.0
        for n, script in enumerate(section.scripts):
            if engine == "limit":
                library.load(script)
                codes = recorded[f"{section.name}/{n}"]
                start = time.process_time()
                library.replay(codes)
            else:
                start = time.process_time()
                library.load(script)
                library.run(bridge)
            seconds += time.process_time() - start
            answers.append(library.answers(script))
        measured[section.name] = measurement(
            answers, seconds, bridge.seconds - served, bridge.events - events
        )
    return measured


def cocotb_round(built: sim.Build, path: Path, *, record: bool) -> dict[str, Measurement]:
    """All sections once through cocotb, in a process of its own."""
    result = sim.run(
        built, "benchmarks.cosim_tb", seed=1, expected=1, timeout=60, path=path,
        variables={"PANTHER_RECORD": str(int(record))},
    )  # fmt: skip
    for failure in result.failures:
        raise RuntimeError(f"{failure.name}: {failure.failure}")
    measured = json.loads((path / "measured.json").read_text())
    return {name: Measurement(**values) for name, values in measured.items()}


def rounds(count: int) -> dict[str, dict[str, list[Measurement]]]:
    """Measurements of every round, by section and engine."""
    built = sim.build(mcu_bench(PARAMS), "verilator", fast=True)
    library = build_library()
    found: dict[str, dict[str, list[Measurement]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as scratch:
        reference = cocotb_round(built, Path(scratch), record=True)
        with np.load(Path(scratch) / "codes.npz") as archive:
            recorded = dict(archive)
        # the first round warms up
        for done in range(count + 1):
            for engine in ENGINES:
                if engine == "cocotb":
                    measured = cocotb_round(built, Path(scratch), record=False)
                else:
                    measured = library_round(library, engine, recorded)
                for name, values in measured.items():
                    if values.answers != reference[name].answers:
                        raise RuntimeError(f"{engine} answers otherwise in section {name}")
                    if done:
                        found[name][engine].append(values)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    args = parser.parse_args(arguments)
    found = rounds(args.rounds)
    console = Console()
    stamps = [words[0] for words in found.pop("setup")["limit"][0].answers[0]][1:]
    cycles = Table("operation", box=box.SIMPLE_HEAD, title="Clock cycles of one operation")
    cycles.add_column("cycles", justify="right")
    cycles.add_column("at most", justify="right")
    met = True
    for operation, begin, end, most in zip(OPERATIONS, stamps, stamps[1:], CYCLES, strict=False):
        cycles.add_row(operation.name, f"{end - begin:,}", f"{most:,}")
        met &= end - begin <= most
    console.print(cycles)

    size = f"{PARAMS.rows}x{PARAMS.columns}"
    title = f"Co-simulation under Verilator, {size}, slicing {PARAMS.slices.name}"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title)
    for heading in ("section", "engine"):
        table.add_column(heading, no_wrap=True)
    for heading in ("cycles", "events", "CPU ms", "Mcycles/s", "x limit", "Python"):
        table.add_column(heading, justify="right", no_wrap=True)
    ratios = {}
    for name, engines in found.items():
        seconds = {
            engine: statistics.median(one.seconds for one in measured)
            for engine, measured in engines.items()
        }
        ratios[name] = seconds["cocotb"] / seconds["limit"]
        for engine, measured in engines.items():
            count = measured[0].cycles
            python = statistics.median(one.python / one.seconds for one in measured)
            bare = engine == "limit"
            table.add_row(
                name if engine == ENGINES[0] else "",
                engine,
                f"{count:,}",
                "" if bare else f"{measured[0].events:,}",
                f"{seconds[engine] * 1e3:.1f}",
                f"{count / seconds[engine] / 1e6:.2f}",
                f"{seconds[engine] / seconds['limit']:.1f}",
                "" if bare else f"{python:.0%}",
                end_section=bare,
            )
    console.print(table)
    met &= ratios["MVM"] <= LIMIT_RATIO
    console.print(
        "All engines gave the same answers in the same cycles. MVM through cocotb is "
        f"{ratios['MVM']:.2f} times slower than the limit, at most {LIMIT_RATIO:.0f}: "
        f"{'met' if met else 'MISSED'}",
        highlight=False,
    )
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
