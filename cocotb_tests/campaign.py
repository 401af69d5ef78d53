"""Lockstep campaign: ``make lockstep`` runs random programs on RTL and twin until it has enough.

Every program is named by its generator and seed; the campaign's seed decides which are run, so the
same seed runs the same ones. The report says which instructions, ends of fields and fault causes
were met, and how often; what was not met fails the campaign.
"""

import json
import random
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cocotb_tests.designs import core_bench
from cocotb_tests.program_run import Coverage
from cocotb_tests.random_programs import GENERATORS
from cocotb_tests.waves import divergence_waves
from panther import sim
from panther.arch.presets import core_preset

TESTBENCH = "cocotb_tests.core_tb"
PER_SIMULATION = 24
"""Programs one simulation runs: starting one costs as much as some of them."""
FOLDER = sim.ROOT / "runs" / "lockstep"


def campaign(
    instructions: Annotated[int, typer.Option(min=1, help="Random instructions to run.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Which programs; random by default.")] = -1,
    simulator: Annotated[str, typer.Option("--sim", help="verilator or icarus.")] = "verilator",
    core: Annotated[
        list[str] | None, typer.Option(help="Named core; repeatable. Default: EIGHT and SMALL.")
    ] = None,
    size: Annotated[int, typer.Option(min=10, help="Instructions of a program.")] = 300,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="Simulations at a time.")] = 2,
) -> None:
    """Run random programs in lockstep."""
    console = Console(width=None if sys.stdout.isatty() else 120, record=True)
    seed = random.SystemRandom().randrange(1 << 32) if seed < 0 else seed
    console.print(f"seed {seed}: make lockstep ARGS='--seed {seed}' runs the same programs")
    cores = core or ["EIGHT", "SMALL"]
    designs = {name: core_bench(core_preset(name)) for name in cores}
    console.print(f"building {', '.join(cores)} for {simulator}")
    built = {name: sim.build(design, simulator) for name, design in designs.items()}
    names = [name for name in GENERATORS if name != "extremes"]
    first = 1_000_000 * seed
    rounds = 0
    done = {"instructions": 0, "cycles": 0, "compared": 0, "programs": 0}
    coverage = Coverage()
    stop = threading.Event()

    def task(number: int) -> dict[str, Any]:
        start = first + number * PER_SIMULATION
        programs = [(names[n % len(names)], start + n, size) for n in range(PER_SIMULATION)]
        if number < len(cores):
            programs.insert(0, ("extremes", start, size))
        return {"core": cores[number % len(cores)], "programs": programs}

    def work(number: int) -> sim.Result:
        job = task(number)
        return sim.run(
            built[job["core"]], TESTBENCH, seed=1, expected=1, timeout=1800, stop=stop,
            variables={"PANTHER_LOCKSTEP": json.dumps(job)},
        )  # fmt: skip

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("instructions"), TimeElapsedColumn(),
    )  # fmt: skip
    with (
        ThreadPoolExecutor(jobs) as pool,
        Progress(*columns, console=console, disable=not console.is_terminal) as bars,
    ):
        bar = bars.add_task(simulator, total=instructions)
        going: dict[Future[sim.Result], int] = {}
        try:
            while done["instructions"] < instructions or going:
                while len(going) < jobs and done["instructions"] < instructions:
                    going[pool.submit(work, rounds)] = rounds
                    rounds += 1
                finished, _ = wait(going, return_when=FIRST_COMPLETED)
                for future in finished:
                    number = going.pop(future)
                    result = future.result()
                    if result.failures:
                        stop.set()
                        job = task(number)
                        _report(console, designs[job["core"]], simulator, job, result)
                        raise typer.Exit(1)
                    found = json.loads((result.path / "lockstep.json").read_text())
                    coverage.add_json(json.dumps(found["coverage"]))
                    for key in ("instructions", "cycles", "compared"):
                        done[key] += found[key]
                    done["programs"] += PER_SIMULATION
                bars.update(bar, completed=min(done["instructions"], instructions))
        except BaseException:
            stop.set()
            raise
    console.print(
        f"{done['instructions']:,} instructions of {done['programs']:,} programs in lockstep under "
        f"{simulator}, {done['cycles']:,} cycles, {done['compared']:,} events, words and cells "
        "compared, 0 differences"
    )
    complete = _coverage(console, coverage)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "coverage.json").write_text(coverage.to_json())
    console.save_html(str(FOLDER / "report.html"))
    console.print(f"report: {FOLDER / 'report.html'}", soft_wrap=True)
    raise typer.Exit(0 if complete else 1)


def _report(
    console: Console, design: sim.Design, simulator: str, task: dict[str, Any],
    result: sim.Result,
) -> None:  # fmt: skip
    """Print a divergence with waves and how to see it again."""
    failure = result.failures[0].failure.strip()
    variables = {"PANTHER_LOCKSTEP": json.dumps(task)}
    case = result.path / "case.json"
    if case.exists():
        task = {"core": task["core"], "programs": [], "case": str(case)}
        variables = {"PANTHER_LOCKSTEP": json.dumps(task)}
    waves = divergence_waves(
        design, simulator, TESTBENCH, failure, seed=1, expected=1, variables=variables
    )
    for line in (f"FAIL {simulator}", failure, f"waves {waves}"):
        console.print(line, markup=False, soft_wrap=True)


def _coverage(console: Console, coverage: Coverage) -> bool:
    """Print what was met; whether that is everything."""
    missing = coverage.missing
    overview = Table("coverage", "met", "of", "missing", title="What the programs have met")
    for kind, goals in coverage.goals().items():
        left = missing[kind]
        overview.add_row(kind, str(len(goals) - len(left)), str(len(goals)), ", ".join(left[:8]))
    console.print(overview)
    faults = Table("fault cause", "times")
    for name in coverage.goals()["faults"]:
        faults.add_row(name, str(coverage.faults[name]))
    console.print(faults)
    table = Table("instruction", "retired", "least value of", "greatest value of")
    for name in coverage.goals()["instructions"]:
        ends = [
            " ".join(
                f"{goal.split()[1]}:{coverage.ends[goal]}"
                for goal in coverage.goals()["ends of fields"]
                if goal.split()[0] == name and goal.endswith(end)
            )
            for end in ("least", "greatest")
        ]
        table.add_row(name, str(coverage.retired[name]), *ends)
    console.print(table)
    return not any(missing.values())


if __name__ == "__main__":
    typer.run(campaign)
