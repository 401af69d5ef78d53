"""``panther regress``: the cocotb regression over all cores, and a verdict one can rely on."""

import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import panther
from panther.cli import regress_plugin
from panther.cli.errors import UserError
from panther.cli.output import replacing
from panther.tools import SIMULATORS, require_simulator

ROOT = Path(panther.__file__).parents[1]
NOT_RUN = "NOT RUN"


class Outcome(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"
    """Collected, but nobody reported its end."""
    NOT_RUN = "not run"
    """Its simulator is not there."""
    SKIPPED = "skipped"


@dataclass(kw_only=True)
class Result:
    """One test. Missing until its teardown has been reported."""

    id: str
    outcome: Outcome = Outcome.MISSING
    duration_s: float = 0.0
    message: str = ""
    """Reason, in a line or two."""
    text: str = ""
    """All there is to say about a failure: traceback and captured output."""
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return self.id.partition("::")[0]

    @property
    def function(self) -> str:
        return self.id.partition("::")[2].partition("[")[0].replace("::", ".")

    @property
    def parameters(self) -> list[str]:
        match = re.search(r"\[(.*)\]$", self.id)
        return match[1].split("-") if match else []

    @property
    def simulator(self) -> str:
        return next((name for name in self.parameters if name in SIMULATORS), "")

    @property
    def parameter_set(self) -> str:
        return "-".join(name for name in self.parameters if name not in SIMULATORS)

    @property
    def replay(self) -> str:
        """Command that repeats the test: the one it printed itself, if it did."""
        match = re.search(r"^\W*replay: *(.+)$", self.text, re.IGNORECASE | re.MULTILINE)
        return match[1].strip() if match else ""


@dataclass
class Verdict:
    """What a regression amounts to."""

    results: list[Result]
    problems: list[str]
    """What is wrong beside failing tests, one line each; each counts as a failure."""
    warnings: list[str] = field(default_factory=list)
    """What the user asked to put up with, one line each."""

    def count(self, outcome: str) -> int:
        return sum(result.outcome == outcome for result in self.results)

    @property
    def failures(self) -> list[Result]:
        return [r for r in self.results if r.outcome in (Outcome.FAILED, Outcome.MISSING)]

    @property
    def failed(self) -> int:
        return len(self.failures) + len(self.problems)

    @property
    def good(self) -> bool:
        return not self.failed

    @property
    def closing(self) -> str:
        skipped = self.count(Outcome.SKIPPED) + self.count(Outcome.NOT_RUN)
        return f"{self.count(Outcome.PASSED)} passed, {self.failed} failed, {skipped} skipped"


class Progress:
    """The state of a running regression, built from the plugin's events."""

    def __init__(self) -> None:
        self.results: dict[str, Result] = {}
        self.running: dict[str, float] = {}
        self.done = 0
        self.failed = 0
        self.root = Path()

    def take(self, event: dict[str, Any]) -> Result | None:
        """Take one event; return the test it ended."""
        if event["event"] == "collected":
            self.root = Path(event["root"])
            for test in event["ids"]:
                self.results.setdefault(test, Result(id=test))
            return None
        test = event["id"]
        if event["event"] == "start":
            self.running[test] = time.monotonic()
            return None
        result = self.results.setdefault(test, Result(id=test))
        if event["event"] == "broken":
            if result.outcome is Outcome.FAILED:  # every worker says so
                return None
            result.message = "cannot be collected"
            result.text = event["text"]
            return self._end(result, Outcome.FAILED)
        result.duration_s += event["duration"]
        result.properties |= event["properties"]
        if event["outcome"] == "failed":
            sections = [f"--- {name} ---\n{text}" for name, text in event["sections"]]
            result.text += "\n".join([event["text"], *sections])
            result.message = result.message or event["message"]
        elif event["outcome"] == "skipped":
            result.message = event.get("message", "")
        return self._judge(result, event)

    def _judge(self, result: Result, event: dict[str, Any]) -> Result | None:
        if event["outcome"] == "failed":
            # a crashed worker reports neither phase nor teardown
            return self._end(result, Outcome.FAILED)
        if event["when"] == "teardown" and result.outcome is Outcome.MISSING:
            if not result.message:
                return self._end(result, Outcome.PASSED)
            absent = result.message.startswith(NOT_RUN)
            return self._end(result, Outcome.NOT_RUN if absent else Outcome.SKIPPED)
        return None

    def _end(self, result: Result, outcome: Outcome) -> Result | None:
        again = result.outcome is not Outcome.MISSING
        self.failed += outcome is Outcome.FAILED and result.outcome is not Outcome.FAILED
        result.outcome = outcome
        self.running.pop(result.id, None)
        self.done += not again
        return None if again else result


def _judge(
    progress: Progress,
    status: int,
    *,
    paths: Sequence[Path],
    simulators: Sequence[str],
    tolerated: Sequence[str],
    expression: str,
) -> Verdict:
    """Decide. Everything that keeps a test from having run and passed must show here."""
    results = sorted(progress.results.values(), key=lambda result: result.id)
    verdict = Verdict(results=results, problems=[])
    for result in verdict.results:
        if result.outcome is Outcome.MISSING:
            result.message = "was collected but never reported a result"
    if not results:
        verdict.problems.append("no test was collected: nothing has been checked")
    elif verdict.count(Outcome.PASSED) == 0 and not verdict.failures:
        verdict.problems.append("no test was run: nothing has been checked")
    if status not in (0, 1, 5) or (status == 1 and not verdict.failures):
        verdict.problems.append(f"pytest ended with status {status}")
    if results and not expression and set(simulators) == set(SIMULATORS):
        # whatever looks like a test, and every place the user named, must have given at least one
        collected = {progress.root / result.file for result in results}
        for place in (
            place for path in paths for place in (path, *sorted(path.rglob("test_*.py")))
        ):
            if not any(
                file == place or place in file.parents or file in place.parents
                for file in collected
            ):
                verdict.problems.append(f"no test was collected from {_relative(place)}")
    absent = defaultdict(list)
    for result in results:
        if result.outcome is Outcome.NOT_RUN:
            named = (name for name in SIMULATORS if name in result.message)
            absent[result.simulator or next(named, "a simulator")].append(result)
    for simulator, mine in absent.items():
        reason = mine[0].message.removeprefix(f"{NOT_RUN}: ")
        line = f"{simulator} {NOT_RUN}, {len(mine)} tests: {reason}"
        (verdict.warnings if simulator in tolerated else verdict.problems).append(line)
    used = {result.simulator for result in results if result.simulator}
    if used and not expression:
        for simulator in simulators:
            if simulator not in used:
                verdict.problems.append(f"{simulator} {NOT_RUN}: no test uses it")
    return verdict


def _relative(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _events(process: "subprocess.Popen[bytes]", path: Path) -> Iterator[dict[str, Any] | None]:
    """Follow the plugin's file until the process ends; ``None`` when nothing has happened."""
    with path.open(encoding="utf-8") as file:
        line = ""
        while True:
            ended = process.poll() is not None
            while part := file.readline():
                line += part
                if line.endswith("\n"):
                    yield json.loads(line)
                    line = ""
            if ended:
                return
            yield None
            time.sleep(0.1)


@contextmanager
def _display(progress: Progress) -> Iterator[Callable[[Result | None], None]]:
    """Show how far it is: live on a terminal, now and then a line elsewhere."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    console = Console(highlight=False)
    bar = Bar(
        TextColumn("[bold]regress[/]"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
    )
    task = bar.add_task("collecting", total=None)
    began = last = time.monotonic()
    live = Live(bar, console=console, refresh_per_second=8, transient=True)

    def show(ended: Result | None) -> None:
        nonlocal last
        total = len(progress.results)
        if ended is not None and ended.outcome is Outcome.FAILED:
            console.print(f"FAILED {ended.id}", style="red", markup=False, soft_wrap=True)
        now = time.monotonic()
        if console.is_terminal:
            if ended is None and now - last < 0.1:
                return
            last = now
            running = [f"  {now - since:5.0f} s  {i}" for i, since in progress.running.items()]
            failed = f"[red]{progress.failed} failed[/]" if progress.failed else "0 failed"
            bar.update(task, total=total or None, completed=progress.done, description=failed)
            lines = (Text(line, style="dim", no_wrap=True) for line in running)
            live.update(Group(bar, *lines))
        elif total and now - last > 10:
            last = now
            print(
                f"regress: {progress.done}/{total} done, {progress.failed} failed, "
                f"{last - began:.0f} s",
                flush=True,
            )

    with live if console.is_terminal else nullcontext():
        yield show


def _print_end(verdict: Verdict, where: Path) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True, markup=False)
    for result in verdict.failures:
        console.print(f"\n{result.outcome.upper()} {result.id}", style="bold red")
        for line in result.message.splitlines()[:20]:
            console.print(f"  {line}")
        if result.replay and result.replay not in result.message:
            console.print(f"  replay: {result.replay}")
    for result in verdict.results:
        if result.outcome is Outcome.SKIPPED:
            console.print(f"skipped {result.id}: {result.message}")
    for problem in verdict.problems:
        console.print(f"FAILED: {problem}", style="bold red")
    for warning in verdict.warnings:
        console.print(f"WARNING: {warning}", style="bold yellow")
    console.print(f"\nreport: {_relative(where)}")
    print(verdict.closing)


def regress(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Test files or folders; default: cocotb_tests.")
    ] = None,
    sim: Annotated[str, typer.Option(help="icarus, verilator or all.")] = "all",
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random operands.")] = 1,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Tests at a time; default: cores.")
    ] = None,
    expression: Annotated[
        str, typer.Option("-k", metavar="EXPR", help="Only tests whose name matches, as pytest -k.")
    ] = "",
    timeout: Annotated[int, typer.Option(min=1, help="Seconds one test may take.")] = 600,
    allow_missing_simulator: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Do not fail because this simulator is not installed."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of log and reports; default: runs/regress/TIME.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="JUnit XML; default: in the folder.")] = None,
    html: Annotated[Path | None, typer.Option(help="HTML report; default: in the folder.")] = None,
) -> None:
    """Run the testbenches on every simulator and report. Status 0 only if all ran and passed."""
    simulators = SIMULATORS if sim == "all" else (sim,)
    tolerated = allow_missing_simulator or []
    for name in (*simulators, *tolerated):
        if name not in SIMULATORS:
            raise UserError(f"Simulator must be one of {', '.join(SIMULATORS)}, all, not {name!r}")
    if sim != "all":
        require_simulator(sim)
    paths = [path.resolve() for path in paths or [ROOT / "cocotb_tests"]]
    for path in paths:
        if not path.exists():
            raise UserError(f"Test path {path} does not exist")
    jobs = jobs or len(os.sched_getaffinity(0))
    began = datetime.now().astimezone()
    where = output or ROOT / "runs" / "regress" / f"{began:%Y%m%d-%H%M%S}-{os.getpid()}"
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Output folder {where} cannot be made: {error.strerror}") from error

    from panther.cli import report

    with (
        replacing(junit or where / "junit.xml") as junit_file,
        replacing(html or where / "report.html") as html_file,
    ):
        progress = Progress()
        status = _run(progress, paths, where, simulators, seed, jobs, expression, timeout)
        verdict = _judge(
            progress,
            status,
            paths=paths,
            simulators=simulators,
            tolerated=tolerated,
            expression=expression,
        )
        seconds = (datetime.now().astimezone() - began).total_seconds()
        for result in verdict.failures:
            if not result.replay:
                result.text += (
                    f"\nreplay: PANTHER_SEED={seed} .venv/bin/python -m pytest '{result.id}'\n"
                )
        report.write_junit(junit_file, verdict, seed=seed, seconds=seconds)
        report.write_html(html_file, verdict, seed=seed, seconds=seconds, began=began, jobs=jobs)
    _print_end(verdict, html or where / "report.html")
    raise typer.Exit(0 if verdict.good else 1)


def _run(
    progress: Progress,
    paths: Sequence[Path],
    where: Path,
    simulators: Sequence[str],
    seed: int,
    jobs: int,
    expression: str,
    timeout: int,
) -> int:
    """Run pytest in a process of its own, so that whatever kills it cannot kill the verdict."""
    events = where / "events.jsonl"
    events.write_text("")
    command = [sys.executable, "-m", "pytest", "-p", regress_plugin.__name__]
    command += ["-n", str(jobs), "--dist", "worksteal", "--timeout", str(timeout), "-ra"]
    command += ["-k", expression] if expression else []
    command += [str(path) for path in paths]
    outer = ("PYTEST_XDIST_", "PYTEST_CURRENT_TEST")  # we may run inside a test ourselves
    env = {name: text for name, text in os.environ.items() if not name.startswith(outer)}
    env[regress_plugin.EVENTS] = str(events.resolve())
    env[regress_plugin.SIMULATORS] = " ".join(simulators)
    env["PANTHER_SEED"] = str(seed)
    with (
        (where / "pytest.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=env) as process,
    ):
        try:
            with _display(progress) as show:
                for event in _events(process, events):
                    show(progress.take(event) if event is not None else None)
        except KeyboardInterrupt:
            process.terminate()
        return process.wait()
