"""pytest plugin of ``panther regress``: says what was collected and how every test ended.

The process that hands out the tests appends one JSON object a line to the file named by
``PANTHER_REGRESS_EVENTS``. The reader trusts nothing else: a test without its lines is missing.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

EVENTS = "PANTHER_REGRESS_EVENTS"
SIMULATORS = "PANTHER_REGRESS_SIMULATORS"
WITHOUT_TWIN = (
    "tests/golden/",
    "tests/panther/arch/",
    "tests/panther/asm/",
    "tests/test_fusesoc.py",
    "cocotb_tests/test_adc_control.py",
    "cocotb_tests/test_axi4.py",
    "cocotb_tests/test_mcu_ip.py",
    "cocotb_tests/test_opa_drive.py",
    "cocotb_tests/test_row_access.py",
    "cocotb_tests/test_slice_carry.py",
    "cocotb_tests/test_verilog.py",
    "cocotb_tests/test_xbar_in.py",
)
"""Tests that run nothing at transaction level: enough of them to be busy for minutes."""
_Test = TypeVar("_Test")


class Recorder:
    """Writes the events."""

    def __init__(self, path: Path, config: pytest.Config) -> None:
        self.file = path.open("a", encoding="utf-8")
        self.root = str(config.rootpath)

    def write(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}), file=self.file, flush=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        self.write("collected", ids=list(ids), root=self.root)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.write("broken", id=report.nodeid, text=report.longreprtext)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.write("start", id=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        fields: dict[str, Any] = {
            "id": report.nodeid,
            "when": report.when,
            "outcome": report.outcome,
            "duration": report.duration,
            "properties": {key: str(value) for key, value in report.user_properties},
        }
        if report.failed:
            fields["text"] = report.longreprtext
            fields["sections"] = [list(section) for section in report.sections]
            crash = getattr(report.longrepr, "reprcrash", None)
            fields["message"] = str(getattr(crash, "message", report.longreprtext))
        if report.skipped:
            reason = getattr(report, "wasxfail", None)
            if reason is not None:
                fields["message"] = f"expected to fail: {reason}"
            elif isinstance(report.longrepr, tuple):
                fields["message"] = report.longrepr[2].removeprefix("Skipped: ")
        self.write("report", **fields)


def pytest_configure(config: pytest.Config) -> None:
    path = os.environ.get(EVENTS)
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(Path(path), config), "panther-regress")


def arranged(tests: Sequence[tuple[str, _Test]], workers: int) -> list[_Test]:
    """Order tests so that one worker begins with the twin and all others with something else.

    Compiling the twin takes minutes the first time, and workers that begin with it at once all do
    it. Each worker begins with one of as many equal parts of the list, and takes from the end of
    another's when it is done.

    Parameters
    ----------
    tests
        Name and test.
    workers
        Number of parts.
    """
    twin = [test for name, test in tests if not name.startswith(WITHOUT_TWIN)]
    others = [test for name, test in tests if name.startswith(WITHOUT_TWIN)]
    size = -(-len(tests) // workers)
    found = [*twin, *others][:size]
    twin, others = twin[size:], others[max(0, size - len(twin)) :]
    for n in range(1, workers):
        found += others[len(others) * (n - 1) // (workers - 1) : len(others) * n // (workers - 1)]
        found += twin[len(twin) * (n - 1) // (workers - 1) : len(twin) * n // (workers - 1)]
    return found


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the chosen simulators, and those that use none; put all in order."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = arranged([(item.nodeid, item) for item in items], workers)
    chosen = os.environ.get(SIMULATORS, "").split()
    if not chosen:
        return
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        call = getattr(item, "callspec", None)
        simulator = call.params.get("simulator") if call is not None else None
        (kept if simulator is None or simulator in chosen else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept
