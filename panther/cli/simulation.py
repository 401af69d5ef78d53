"""A simulation in the background: its stages are shown, and an interrupt ends it."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panther.cli.errors import UserError
from panther.tools import SIMULATORS, require_simulator

if TYPE_CHECKING:
    from panther.sim import Design, Result

TIMEOUT_SECONDS = 3600
SHORT = 200_000
"""Cycles that Icarus gets through soon enough."""


def check_simulator(name: str) -> None:
    """Refuse what is no simulator, or is not installed."""
    if name not in SIMULATORS:
        raise UserError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {name!r}")
    require_simulator(name)


def run_folder(command: str) -> Path:
    """A new folder for a run."""
    from panther.sim import BUILD_ROOT

    base = BUILD_ROOT / "runs"
    base.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{command}-", dir=base))


def simulate(
    design: "Design",
    simulator: str,
    testbench: str,
    variables: Mapping[str, str],
    folder: Path,
    progress: Callable[[], str] = lambda: "",
) -> "Result":
    """Build and run.

    Parameters
    ----------
    design
        What to build.
    simulator
        "icarus" or "verilator".
    testbench
        Name of its module, which holds one test.
    variables
        Environment variables for it.
    folder
        Where it runs.
    progress
        Says how far it is.

    Raises
    ------
    SimulationError
        If the simulation broke down.
    """
    from rich.console import Console

    from panther import sim

    console = Console(stderr=True, highlight=False)
    stage = "building"
    stop = threading.Event()

    def work() -> "Result":
        nonlocal stage
        built = sim.build(design, simulator, stop=stop)
        stage = "running"
        return sim.run(
            built, testbench, seed=1, expected=1, variables=variables, path=folder,
            timeout=TIMEOUT_SECONDS, stop=stop,
        )  # fmt: skip

    with ThreadPoolExecutor() as pool, console.status("") as status:
        future = pool.submit(work)
        said = ""
        try:
            while not future.done():
                text = f"{simulator}: {stage}"
                if not console.is_terminal and text != said:
                    said = text
                    console.print(text)
                status.update(f"{text} {progress() if stage == 'running' else ''}")
                time.sleep(0.1)
            return future.result()
        except BaseException:
            # the pool waits for its thread, and that for the simulator
            stop.set()
            raise


def report_failure(
    console: Any,
    design: "Design",
    simulator: str,
    testbench: str,
    variables: Mapping[str, str],
    result: "Result",
    cycles: int,
) -> None:
    """Print what failed, where its log is, and a waveform of the window before it.

    Parameters
    ----------
    console
        Where to.
    design, simulator, testbench, variables
        What was simulated.
    result
        What it came to.
    cycles
        How many it took, about.
    """
    from cocotb_tests.waves import divergence_waves

    # Icarus traces without another long build
    tracer = "icarus" if shutil.which("iverilog") and cycles <= SHORT else simulator
    failure = result.failures[0].failure.strip()
    waves = divergence_waves(
        design, tracer, testbench, failure, seed=1, expected=1, variables=variables
    )
    console.print(f"[bold red]FAIL[/] {simulator}")
    for line in (failure, f"log {result.path / 'run.log'}", f"waves {waves}"):
        console.print(line, markup=False, soft_wrap=True)
