"""``panther run``: a program on a core, at transaction level or in RTL."""

import json
import pickle
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from panther.arch.core import CoreParams, Fault
from panther.arch.presets import CORES
from panther.cli.asm import check_not_empty, core_params
from panther.cli.errors import UserError
from panther.cli.output import replacing

if TYPE_CHECKING:
    from cocotb_tests.expectations import Expectations, Given, Outcome
    from cocotb_tests.faults import Drop, Parity, Stuck
    from models.system.core import Core
    from panther.asm import Program
    from panther.cli.run_report import Ended

ENGINES = ("transaction", "rtl")
TESTBENCH = "cocotb_tests.run_tb"
LIMITS = {"transaction": 100_000_000, "rtl": 10_000_000}
PIECE = 20_000
"""Instructions whose trace is kept at a time."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What is to be run, and on what."""

    path: Path
    core: str
    params: CoreParams
    words: tuple[int, ...]
    program: "Program | None"
    """None if there is no source."""
    given: "Given"
    expectations: "Expectations | None"
    fault: "Stuck | Drop | Parity | None"
    inject: str
    limit: int
    memory: Path | None
    include: Sequence[Path]
    trace: TextIO | None


def run(
    program: Annotated[
        Path, typer.Argument(metavar="PROGRAM", help="Text, or words if it ends in .bin.")
    ],
    preset: Annotated[
        str,
        typer.Option(help=f"Core: {', '.join(CORES)}. Default: that of the .exp, or PAPER."),
    ] = "",
    engine: Annotated[str, typer.Option(help=f"{' or '.join(ENGINES)}.")] = "transaction",
    sim: Annotated[str, typer.Option(help="verilator or icarus, of --engine rtl.")] = "verilator",
    twins: Annotated[
        str,
        typer.Option(
            metavar="UNITS",
            help="Matrix units of --engine rtl to be simulated at transaction level: m0,m1.",
        ),
    ] = "",
    lockstep: Annotated[
        bool, typer.Option(help="Compare RTL with the transaction level, event by event.")
    ] = True,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a line for each instruction that retired; - shows them."
        ),
    ] = None,
    inject: Annotated[
        str,
        typer.Option(
            metavar="FAULT",
            help="Fault drill: parity:address=4 | in RTL stuck:unit=1,slice=3,row=7,column=2,"
            "value=5 | drop:slice=5,line=4,event=20. Must end in a failure.",
        ),
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=(1 << 32) - 1,
            help=f"Cycles after which to give up; default {LIMITS['transaction']}, in RTL "
            f"{LIMITS['rtl']}. A transaction-level run ends with the instruction that passes it.",
        ),
    ] = None,
    memory: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="First contents of the memory from address 0 on: words of 2 bytes, least "
            "significant first.",
        ),
    ] = None,
    include: Annotated[
        list[Path] | None,
        typer.Option("--include", "-I", help="Folder with included files. Repeatable."),
    ] = None,
) -> None:
    """Run a program; status 0 if it halts. A .exp beside it says from what, and what must come."""
    from rich.console import Console

    from panther.cli.run_report import as_text, stop_lines, summary

    if engine not in ENGINES:
        raise UserError(f"Engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    with _opened(trace) as stream:
        task = _task(
            program, preset, memory, include or [], inject, limit or LIMITS[engine], stream
        )
        if engine == "rtl":
            _check_drill(task, lockstep)
            ended = _in_rtl(task, sim, _units(twins, task.params), lockstep)
        else:
            if task.inject and not task.inject.startswith("parity"):
                raise UserError(f"Fault {task.inject} must be injected with --engine rtl")
            if twins:
                raise UserError(f"Units {twins} must be chosen with --engine rtl")
            ended = _at_transaction_level(task)

    where = "transaction level" if engine == "transaction" else f"RTL, {sim}"
    print(f"{program} on {task.core}, {where}")
    console = Console(highlight=False)
    outcome = ended.outcome
    failed = outcome.running or outcome.fault is not Fault.NONE
    for number, line in enumerate(stop_lines(outcome, task.program)):
        style = "bold red" if failed and number == 0 else None
        console.print(line, style=style, markup=False, soft_wrap=True)
    sys.stdout.write(as_text(summary(ended, task.params)))
    if task.expectations is not None and task.fault is None:
        mismatches = task.expectations.mismatches(outcome)
        failed |= bool(mismatches)
        count = len(task.expectations.expected)
        name = task.path.with_suffix(".exp")
        for line in mismatches:
            console.print(f"FAIL {line}", style="bold red", markup=False, soft_wrap=True)
        if not mismatches:
            print(f"{name}: all {count} expectations hold")
    if task.fault is not None and not _seen(task.fault, outcome):
        failed = True
        text = f"FAIL fault {task.inject} was not seen: choose another place"
        console.print(text, style="bold red", markup=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


# ---- what is to be run


@contextmanager
def _opened(trace: Path | None) -> Iterator[TextIO | None]:
    """Where the trace goes; a file is there as a whole even if the program fails."""
    if trace is None:
        yield None
    elif str(trace) == "-":
        yield sys.stdout
    else:
        with replacing(trace) as temporary, temporary.open("w", encoding="utf-8") as stream:
            failure = None
            try:
                yield stream
            except typer.Exit as error:
                failure = error
        if failure is not None:
            raise failure


def _task(
    path: Path,
    preset: str,
    memory: Path | None,
    include: Sequence[Path],
    inject: str,
    limit: int,
    trace: TextIO | None,
) -> _Task:
    from cocotb_tests.expectations import core_of, given_nothing, read_expectations
    from cocotb_tests.faults import PROGRAM_KINDS, Parity, check_program_fault, parse_fault

    beside = path.with_suffix(".exp")
    has_expectations = beside.is_file()
    if not preset and has_expectations:
        preset = core_of(beside) or ""
    params = core_params(preset or "PAPER")
    words, program = _read(path, params, include)
    expectations = None
    given = given_nothing(params)
    if has_expectations:
        try:
            expectations = read_expectations(beside, params)
        except ValueError as error:
            raise _many_mistakes(str(error)) from error
        given = expectations.given
    if memory is not None:
        given = _with_memory(given, memory)
    fault = None
    if inject:
        try:
            fault = parse_fault(inject, PROGRAM_KINDS)
            check_program_fault(fault, params)
        except ValueError as error:
            raise UserError(str(error)) from error
        if isinstance(fault, Parity):
            given = replace(given, parity=(*given.parity, fault.address))
    return _Task(
        path=path, core=(preset or "PAPER").upper(), params=params, words=words, program=program,
        given=given, expectations=expectations, fault=fault, inject=inject, limit=limit,
        memory=memory, include=include, trace=trace,
    )  # fmt: skip


def _read(
    path: Path, params: CoreParams, include: Sequence[Path]
) -> "tuple[tuple[int, ...], Program | None]":
    from panther.asm import AssemblyError, assemble_file, read_binary

    if path.suffix != ".bin":
        try:
            program = assemble_file(path, params, include=include)
        except AssemblyError as error:
            raise _many_mistakes(str(error), len(error.diagnostics)) from error
        check_not_empty(path, program.words)
        return program.words, program
    try:
        words = read_binary(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(str(error)) from error
    check_not_empty(path, words)
    if len(words) > params.instructions:
        raise UserError(
            f"{path} must have at most {params.instructions} instructions, not {len(words)}"
        )
    return words, None


def _many_mistakes(text: str, count: int | None = None) -> typer.Exit:
    """Mistakes of a file by their places; nothing was run."""
    count = len(text.splitlines()) if count is None else count
    print(text, file=sys.stderr)
    noun = "mistake" if count == 1 else "mistakes"
    print(f"panther run: {count} {noun}, nothing was run", file=sys.stderr)
    return typer.Exit(2)


def _with_memory(given: "Given", path: Path) -> "Given":
    import numpy as np

    from panther.arch.core import LANES
    from panther.asm.program import read_regular

    try:
        data, _ = read_regular(path, 2 * given.memory.size)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(str(error)) from error
    if len(data) % 2:
        raise UserError(f"{path} must consist of words of 2 bytes, not of {len(data)} bytes")
    words = np.frombuffer(data, "<i2")
    contents, valid = given.memory.copy(), given.valid.copy()
    contents[: words.size] = words
    valid[: (words.size + LANES - 1) // LANES] = True
    return replace(given, memory=contents, valid=valid)


# ---- fault drills


def _check_drill(task: _Task, lockstep: bool) -> None:
    from cocotb_tests.faults import Parity

    if task.fault is not None and not isinstance(task.fault, Parity) and not lockstep:
        raise UserError(f"Fault {task.inject} must be injected with --lockstep, which sees it")


def _seen(fault: "Stuck | Drop | Parity", outcome: "Outcome") -> bool:
    """Whether the outcome shows the fault; what lockstep sees does not come so far."""
    from cocotb_tests.faults import Parity

    return (
        isinstance(fault, Parity) and outcome.fault is Fault.PARITY and outcome.pc == fault.address
    )


# ---- engines


def _at_transaction_level(task: _Task) -> "Ended":
    from cocotb_tests.expectations import outcome_of, saturation_counters
    from models.analog.array import IdealArray
    from models.system.core import Core
    from panther.cli.run_report import Ended

    def core(*, trace: bool) -> Core:
        arrays = [IdealArray(task.params.mcu) for _ in range(task.params.mcus)]
        made = Core(task.params, arrays, trace=trace)
        task.given.apply(made, task.words)
        return made

    # what is compiled is loaded before the clock starts
    warm = core(trace=False)
    warm.start()
    warm.run(limit_instructions=1)
    plain = core(trace=False)
    plain.start()
    begin = time.process_time()
    plain.run(limit_cycles=task.limit)
    seconds = time.process_time() - begin
    operations: Counter[tuple[int, str, int]] = Counter()
    if task.trace is not None or any(plain.issued(m) for m in range(task.params.mcus)):
        operations = _traced(task, core(trace=True))
    counters = {
        name: plain.csr(number) for name, number in saturation_counters(task.params).items()
    }
    return Ended(
        outcome=outcome_of(plain), counters=counters, seconds=seconds,
        operations=[(*what, count) for what, count in sorted(operations.items())],
    )  # fmt: skip


def _traced(task: _Task, core: "Core") -> Counter[tuple[int, str, int]]:
    """Run with a trace; writes its lines, and counts operations with their cycles."""
    from cocotb_tests.program_trace import STREAMS, Tracer
    from models.system.core import Status
    from models.system.trace import Event
    from panther.arch.mcu import Operation

    operations: Counter[tuple[int, str, int]] = Counter()
    tracer = Tracer(task.params, task.program)
    if task.trace is not None:
        task.trace.write(f"{tracer.HEAD}\n")
    core.start()
    while core.status is Status.RUNNING and core.cycle < task.limit:
        core.run(limit_cycles=task.limit, limit_instructions=core.retired + PIECE)
        if task.trace is not None:
            events = {event: core.events(event) for event in STREAMS}
            task.trace.writelines(f"{line}\n" for line in tracer.lines(events))
        for _, m, operation, handed, done in core.events(Event.OPERATION).tolist():
            operations[m, Operation(operation).name, done - handed] += 1
        core.forget_events()
    return operations


def _units(text: str, params: CoreParams) -> tuple[int, ...]:
    """Numbers of the matrix units named in ``m0,m1``."""
    names = [f"m{n}" for n in range(params.mcus)]
    wanted = [name.strip() for name in text.split(",")] if text else []
    for name in wanted:
        if name not in names:
            raise UserError(f"Unit must be one of {', '.join(names)}, not {name!r}")
    return tuple(names.index(name) for name in wanted)


def _in_rtl(task: _Task, simulator: str, twins: tuple[int, ...], lockstep: bool) -> "Ended":
    from rich.console import Console

    from cocotb_tests.designs import core_bench
    from cocotb_tests.expectations import Outcome
    from panther.cli.run_report import Ended
    from panther.cli.simulation import check_simulator, report_failure, run_folder, simulate

    check_simulator(simulator)
    folder = run_folder("run")
    start = folder / "start.pickle"
    start.write_bytes(pickle.dumps((task.program, task.words, task.given)))
    what = {
        "core": task.core, "start": str(start), "inject": task.inject, "limit": task.limit,
        "lockstep": lockstep, "trace": task.trace is not None,
    }  # fmt: skip
    variables = {"PANTHER_PROGRAM": json.dumps(what)}
    design = core_bench(task.params, twins)

    def progress() -> str:
        state = _read_json(folder / "progress.json")
        return f"cycle {state['cycle']}, {state['retired']} instructions" if state else ""

    result = simulate(design, simulator, TESTBENCH, variables, folder, progress)
    if task.trace is not None:
        from cocotb_tests.program_trace import Tracer

        task.trace.write(f"{Tracer.HEAD}\n{(folder / 'trace.txt').read_text()}")
    if result.failures:
        console = Console(highlight=False)
        state = _read_json(folder / "progress.json") or {"cycle": 0}
        report_failure(
            console, design, simulator, TESTBENCH, variables, result, int(state["cycle"])
        )
        console.print(f"replay: {_again(task, simulator, twins)}", markup=False, soft_wrap=True)
        raise typer.Exit(1)
    found = json.loads((folder / "result.json").read_text())
    outcome = Outcome.load(folder / "outcome.npz")
    shutil.rmtree(folder)
    return Ended(
        outcome=outcome, counters=found["counters"],
        operations=[tuple(item) for item in found["operations"]],
        compared=found["compared"] if lockstep else None,
    )  # fmt: skip


def _again(task: _Task, simulator: str, twins: tuple[int, ...]) -> str:
    """The command that shows a divergence again."""
    words = [".venv/bin/panther", "run", str(task.path), "--preset", task.core]
    words += ["--engine", "rtl", "--sim", simulator, "--limit", str(task.limit)]
    units = ",".join(f"m{n}" for n in twins)
    for option, value in (
        ("--memory", task.memory), ("--inject", task.inject), ("--twins", units),
    ):  # fmt: skip
        words += [option, str(value)] if value else []
    for folder in task.include:
        words += ["-I", str(folder)]
    return shlex.join(words)


def _read_json(path: Path) -> dict[str, Any] | None:
    """A file that may not be there yet."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found
