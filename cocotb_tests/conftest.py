"""The ``simulate`` fixture: build a design, run a testbench on it, report what went wrong."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cocotb_tests.waves import cut_vcd
from panther import sim
from panther.tools import ToolError, require_simulator

TIMEOUT_SECONDS = 300


def seed() -> int:
    """Seed of this regression, ``PANTHER_SEED`` or 1."""
    return int(os.environ.get("PANTHER_SEED", "1"))


@pytest.fixture
def simulate(request: pytest.FixtureRequest) -> Callable[..., sim.Result]:
    """Return ``simulate(design, testbench, simulator, expected=..., variables=...)``.

    Fails the test with the first divergence, the seed, a replay line and a waveform of the window
    around it.
    """

    def run(
        design: sim.Design,
        testbench: str,
        simulator: str,
        *,
        expected: int,
        variables: Mapping[str, str] | None = None,
    ) -> sim.Result:
        try:
            require_simulator(simulator)
        except ToolError as error:
            pytest.skip(f"NOT RUN: {error}")
        module = f"cocotb_tests.{testbench}"
        options = {"seed": seed(), "expected": expected, "variables": variables}
        built = sim.build(design, simulator)
        result = sim.run(built, module, timeout=TIMEOUT_SECONDS, **options)
        if result.failures:
            node = request.node.nodeid
            report = [f"{item.name}: {item.failure.strip()}" for item in result.failures]
            report.append(f"seed {seed()}, log {result.path / 'run.log'}")
            if (time := re.search(r"at (\d+) ns", report[0])) is not None:
                report.append(f"waves {_waves(design, simulator, module, int(time[1]), options)}")
            report.append(f"replay: PANTHER_SEED={seed()} .venv/bin/pytest '{node}'")
            pytest.fail("\n".join(report), pytrace=False)
        return result

    return run


def _waves(
    design: sim.Design, simulator: str, module: str, time_ns: int, options: dict
) -> Path | str:
    """Run again with waveforms and keep the window before ``time_ns``."""
    traced = sim.build(design, simulator, waves=True)
    try:
        result = sim.run(traced, module, timeout=2 * TIMEOUT_SECONDS, **options)
    except sim.SimulationError as error:
        return f"could not be written: {error}"
    whole = result.path / "waves.vcd"
    window = result.path / "divergence.vcd"
    cut_vcd(whole, window, start_ns=max(0, time_ns - 500), stop_ns=time_ns + 50)
    whole.unlink()
    return window
