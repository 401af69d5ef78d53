"""The ``simulate`` fixture: build a design, run a testbench on it, report what went wrong."""

import os
import shutil
from collections.abc import Callable, Mapping

import pytest

from cocotb_tests.waves import divergence_waves
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
        brief: bool = True,
    ) -> sim.Result:
        try:
            require_simulator(simulator)
        except ToolError as error:
            pytest.skip(f"NOT RUN: {error}")
        module = f"cocotb_tests.{testbench}"
        options = {"seed": seed(), "expected": expected, "variables": variables}
        built = sim.build(design, simulator, brief=brief)
        result = sim.run(built, module, timeout=TIMEOUT_SECONDS, **options)
        if result.failures:
            node = request.node.nodeid
            report = [f"{item.name}: {item.failure.strip()}" for item in result.failures]
            report.append(f"seed {seed()}, log {result.path / 'run.log'}")
            report.append(
                f"waves {divergence_waves(design, simulator, module, report[0], **options)}"
            )
            report.append(f"replay: PANTHER_SEED={seed()} .venv/bin/pytest '{node}'")
            pytest.fail("\n".join(report), pytrace=False)
        # only what failed is worth keeping, for longer than the test takes
        request.addfinalizer(lambda: shutil.rmtree(result.path))
        return result

    return run
