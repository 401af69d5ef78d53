"""``panther demo``: train a network on handwritten digits in RTL, golden in step."""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panther.cli.errors import UserError
from panther.cli.output import replacing
from panther.tools import SimulationError, ToolError, require_simulator

if TYPE_CHECKING:
    from cocotb_tests.training import Run
    from panther.sim import Result

TESTBENCH = "cocotb_tests.training_tb"
ICARUS_EXAMPLES = 20
SEEDS = 5
EPOCHS = 10
TIMEOUT_SECONDS = 3600


def demo(
    examples: Annotated[
        int, typer.Option(min=1, max=503, help="Training examples under Verilator.")
    ] = 500,
    epochs: Annotated[int, typer.Option(min=1, max=100, help="Passes over them.")] = 3,
    sim: Annotated[
        str,
        typer.Option(help=f"verilator, icarus or all: Icarus {ICARUS_EXAMPLES} examples, once."),
    ] = "all",
    crs_period: Annotated[int, typer.Option(min=1, help="OPAs of a unit between two CRS.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="First weights and order of examples.")] = 0,
    inject: Annotated[
        str,
        typer.Option(
            metavar="FAULT",
            help="Fault drill: stuck:unit=1,slice=3,row=7,column=2,value=5 | "
            "flip:row=20,bit=9,example=2 | drop:slice=5,line=4,event=20. Must end in a failure.",
        ),
    ] = "",
    output: Annotated[
        Path | None, typer.Option(help="Folder of results and picture; default: runs/demo.")
    ] = None,
) -> None:
    """Run a program on a core in RTL that trains an MLP 64-32-10 on digits; every integer of it
    is compared with the golden model.
    """
    from rich.console import Console

    from cocotb_tests.designs import core_bench
    from cocotb_tests.faults import check_fault, parse_fault
    from cocotb_tests.training import CORE, LAYERS, Run, transaction_level
    from cocotb_tests.two_tiles import NODE
    from panther.sim import ROOT, SIMULATORS, Result

    if sim not in (*SIMULATORS, "all"):
        raise UserError(f"Simulator must be one of {', '.join(SIMULATORS)}, all, not {sim!r}")
    run = Run(examples=examples, epochs=epochs, crs_period=crs_period, seed=seed, fault=inject)
    if inject:
        try:
            check_fault(parse_fault(inject), CORE.mcu, LAYERS, examples)
        except ValueError as error:
            raise UserError(str(error)) from error
    folder = output or ROOT / "runs" / "demo"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f"Output folder {folder} cannot be written: {error.strerror}") from error
    console = Console(highlight=False)

    wanted = SIMULATORS if sim == "all" else (sim,)
    runs: dict[str, Run] = {}
    for name in sorted(wanted, reverse=True):
        try:
            require_simulator(name)
        except ToolError as error:
            if sim != "all" or name == "verilator":
                raise
            console.print(f"[bold yellow]{name} NOT RUN[/]: {error}")
            continue
        runs[name] = run
        if name == "icarus" and sim == "all":
            runs[name] = replace(run, examples=min(examples, ICARUS_EXAMPLES), epochs=1)

    design = core_bench(CORE)
    with _node_beside() as node_result:
        results: dict[str, Result] = _simulate(design, runs, console)
        node = None if inject else node_result()
    failed = False
    for name, result in results.items():
        for outcome in result.failures:
            failed = True
            _report(design, name, runs[name], outcome.failure, result, console)
    if failed:
        raise typer.Exit(1)
    measured = {
        name: json.loads((result.path / "result.json").read_text())
        for name, result in results.items()
    }
    if inject:
        # a code of a low slice may vanish in the rounding; a drill must not
        console.print(
            f"[bold red]FAIL[/] fault {inject} was not seen, every integer was equal: choose "
            "another place",
            soft_wrap=True,
        )
        raise typer.Exit(1)

    twin = transaction_level(next(iter(runs.values())))
    reference = _train_on(run, console)
    from panther.cli import demo_report
    from panther.cli.node_report import Counted, picture

    assert node is not None
    counted = Counted(
        params=NODE, cycles=node["cycles"], tiles=node["tiles"], routers=node["routers"]
    )
    rows = demo_report.summary(measured, twin, reference, node)
    with replacing(folder / "demo.json") as path:
        path.write_text(
            json.dumps(
                {"rtl": measured, "transaction": twin, "training": reference, "node": node},
                indent=1,
            )
        )
    with replacing(folder / "summary.txt") as path:
        path.write_text(demo_report.as_text(rows))
    first = next(iter(results))
    demo_report.picture(
        folder / "demo.png", measured[first], reference, results[first].path / "cells.npz"
    )
    picture(folder / "node.png", counted)
    console.print()
    console.print(demo_report.as_text(rows), end="", markup=False, soft_wrap=True)
    console.print()
    for name, data in measured.items():
        seconds = data["program_seconds"]
        console.print(
            f"{name}: {seconds:.1f} s CPU, {data['cycles'] / seconds / 1e3:.0f} k cycles a CPU "
            f"second, {data['events']} analog events, {data['model_seconds'] / seconds:.0%} of the "
            "time in the array models",
            markup=False,
            soft_wrap=True,
        )
    seconds = min(twin["seconds"])
    console.print(
        f"transaction level: {seconds * 1e3:.1f} ms CPU, "
        f"{measured[first]['program_seconds'] / seconds:.0f} times as fast as {first}",
        soft_wrap=True,
    )
    console.print(f"pictures and results: {folder}", markup=False, soft_wrap=True)
    for result in results.values():
        shutil.rmtree(result.path)


@contextmanager
def _node_beside() -> Iterator[Callable[[], dict[str, Any]]]:
    """Train on two tiles at transaction level in a process of its own, for compiling takes long;
    gives a function that waits for the outcome.
    """
    from panther.sim import ROOT

    with tempfile.TemporaryDirectory() as folder:
        outcome = Path(folder) / "node.json"
        command = [sys.executable, "-m", "cocotb_tests.two_tiles", str(outcome)]
        child = subprocess.Popen(command, cwd=ROOT)

        def result() -> dict[str, Any]:
            if child.wait():
                raise SimulationError("Training on two tiles at transaction level failed")
            found: dict[str, Any] = json.loads(outcome.read_text())
            return found

        try:
            yield result
        finally:
            child.kill()
            child.wait()


def _simulate(design: Any, runs: "dict[str, Run]", console: Any) -> "dict[str, Result]":
    """Build and run on all simulators at once, with a progress bar each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from cocotb_tests.training import PROGRESS, read_json
    from panther import sim

    base = sim.BUILD_ROOT / "runs"
    base.mkdir(parents=True, exist_ok=True)
    paths = {name: Path(tempfile.mkdtemp(prefix=f"demo-{name}-", dir=base)) for name in runs}
    stages = dict.fromkeys(runs, "building")
    stop = threading.Event()

    def work(name: str) -> "Result":
        built = sim.build(design, name, fast=True, stop=stop)
        stages[name] = "training"
        return sim.run(
            built, TESTBENCH, seed=1, expected=1, path=paths[name], timeout=TIMEOUT_SECONDS,
            variables={"PANTHER_RUN": runs[name].to_json()}, stop=stop,
        )  # fmt: skip

    def watch(bars: Progress, futures: "dict[str, Future[Result]]") -> None:
        tasks = {name: bars.add_task(name, total=run.steps) for name, run in runs.items()}
        said: dict[str, str] = {}
        going = True
        while going:
            going = any(not future.done() for future in futures.values())
            for name, task in tasks.items():
                state = read_json(paths[name] / PROGRESS) or {"examples": 0}
                stage = "done" if futures[name].done() else stages[name]
                bars.update(task, completed=state["examples"], description=f"{name}: {stage}")
                if not console.is_terminal and said.get(name) != stage:
                    said[name] = stage
                    console.print(f"{name}: {stage}")
            time.sleep(0.1 * going)

    columns = (
        TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("examples"), TimeElapsedColumn(),
    )  # fmt: skip
    with (
        ThreadPoolExecutor() as pool,
        Progress(*columns, console=console, disable=not console.is_terminal) as bars,
    ):
        futures = {name: pool.submit(work, name) for name in runs}
        try:
            watch(bars, futures)
            return {name: future.result() for name, future in futures.items()}
        except BaseException:
            # the pool waits for its threads, and they for their simulators
            stop.set()
            raise


def _report(
    design: Any, name: str, run: "Run", failure: str, result: "Result", console: Any
) -> None:
    """Print a divergence: what, where, waves, and how to see it again."""
    from cocotb_tests.waves import divergence_waves

    # Icarus traces without another build, and gets to an early divergence soon enough
    tracer = "icarus" if shutil.which("iverilog") and run.steps <= 1000 else name
    waves = divergence_waves(
        design, tracer, TESTBENCH, failure, seed=1, expected=1,
        variables={"PANTHER_RUN": run.to_json()},
    )  # fmt: skip
    inject = f" --inject {run.fault}" if run.fault else ""
    replay = (
        f".venv/bin/panther demo --sim {name} --examples {run.examples} "
        f"--epochs {run.epochs} "
        f"--crs-period {run.crs_period} --seed {run.seed}"
    )
    console.print(f"[bold red]FAIL[/] {name}")
    for line in (
        failure.strip(),
        f"seed {run.seed}, log {result.path / 'run.log'}",
        f"waves {waves}",
        f"replay: {replay}{inject}",
    ):
        console.print(line, markup=False, soft_wrap=True)


def _train_on(run: "Run", console: Any) -> dict[str, Any]:
    """Accuracy after the RTL's examples, and after every epoch of golden and float64 training."""
    from rich.progress import Progress

    from golden.compare import compare
    from golden.data import digits
    from golden.fast import FastMatrix
    from golden.train import Trainer

    data = digits(run.config().formats)
    short = Trainer(run.config(), FastMatrix)
    for _ in range(run.epochs):
        for chosen in run.order(data):
            short.step(data.train_x[chosen], int(data.train_y[chosen]))
    after = short.evaluate(data.test_x, data.test_y)
    seeds = range(run.seed, run.seed + SEEDS)
    with Progress(console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(f"golden and float64 SGD to {EPOCHS} epochs", total=SEEDS)
        curves = compare(
            run.config(epochs=EPOCHS), data, seeds,
            progress=lambda done, _: bars.update(task, completed=done),
        )  # fmt: skip
    return {
        "after_rtl": after,
        "steps": run.steps,
        "golden": curves.crossbar_curves,
        "float64": curves.floating_curves,
    }
