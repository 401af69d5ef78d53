"""``panther regress`` must not call anything good that has not run and passed."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from panther.cli import main, regress_plugin

PASSING = "def test_good(): pass\n"


class Run:
    """One call of ``panther regress`` on a folder of made-up tests."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def __call__(self, files: dict[str, str], *arguments: str) -> "Run":
        # with a configuration of its own, names are relative to the folder
        for name, text in {"pytest.ini": "[pytest]\n", **files}.items():
            (self.folder / name).write_text(text)
        reports = self.folder / "reports"
        with pytest.raises(SystemExit) as end:
            main(["regress", str(self.folder), "--output", str(reports), "-j", "1", *arguments])
        self.status = end.value.code
        self.out, self.err = self.capsys.readouterr()
        self.lines = self.out.splitlines()
        self.junit = ET.parse(reports / "junit.xml").getroot()[0]
        self.html = (reports / "report.html").read_text()
        return self

    @property
    def cards(self) -> list[str]:
        """Numbers at the top of the page: passed, failed, not run, skipped."""
        return re.findall(r"<b[^>]*>(\d+)</b>", self.html)

    @property
    def failures(self) -> set[str]:
        """Names of the failed cases of the JUnit file."""
        return {
            c.attrib["name"] for c in self.junit.iter("testcase") if c.find("failure") is not None
        }


class References(HTMLParser):
    """Collects everything a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {k}" for k, _ in attrs if k in ("src", "href", "data", "srcset")]


@pytest.fixture
def regress(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")  # half of pytest's start
    return Run(tmp_path, capsys)


def test_all_passed(regress):
    run = regress({"test_a.py": PASSING + "def test_seed():\n    import os\n"
                   "    assert os.environ['PANTHER_SEED'] == '7'\n"}, "--seed", "7")  # fmt: skip
    assert run.status == 0
    assert run.lines[-1] == "2 passed, 0 failed, 0 skipped"
    assert run.junit.attrib["tests"] == "2"
    assert run.failures == set()


FAILING = """
import os
import time

import pytest

def test_bad():
    print("replay: panther regress -k bad --seed 1")
    pytest.fail("first divergence: mvm, column 3: golden 7, rtl 6")

def test_evil():
    assert False, "<script src=http://x></script> \\x1b[31m"

@pytest.fixture
def broken():
    raise OSError("no such thing")

def test_setup(broken):
    pass

@pytest.fixture
def leaking():
    yield
    assert False, "left something behind"

def test_teardown(leaking):
    pass

def test_slow():
    time.sleep(60)

def test_kill():
    os._exit(0)

def test_lost():
    pass

@pytest.mark.skip(reason="only at night")
def test_skipped():
    pass
"""

# with this alone, pytest ends with status 0 and does not mention the test
SWALLOW = """
def pytest_runtest_protocol(item):
    return item.name == 'test_lost' or None
"""


def test_every_way_to_fail_is_reported(regress):
    run = regress(
        {
            "conftest.py": SWALLOW,
            "test_a.py": PASSING,
            "test_b.py": FAILING,
            "test_c.py": "import no_such_module\n",
            "test_d.py": "def tset_typo(): pass\n",
        },
        "--timeout",
        "1",
    )
    bad = {"bad", "evil", "setup", "teardown", "slow", "kill", "lost"}
    empty = "no test was collected from " + str(run.folder / "test_d.py")
    assert run.status == 1
    assert run.failures == {f"test_{name}" for name in bad} | {"test_c.py", empty}
    assert run.lines[-1] == "1 passed, 9 failed, 1 skipped"
    assert run.cards == ["1", "9", "0", "1"]
    assert "  Failed: first divergence: mvm, column 3: golden 7, rtl 6" in run.lines
    assert "  replay: panther regress -k bad --seed 1" in run.lines
    assert any(
        line.startswith("  replay: PANTHER_SEED=1 .venv/bin/python -m pytest") for line in run.lines
    )
    assert "MISSING test_b.py::test_lost" in run.lines
    assert "FAILED test_c.py" in run.lines
    assert "No module named 'no_such_module'" in run.html.replace("&#39;", "'")
    assert "skipped test_b.py::test_skipped: only at night" in run.lines
    assert "FAILED: " + empty in run.lines

    for text in ("Regression failed", "golden 7, rtl 6", "panther regress -k bad --seed 1"):
        assert text in run.html
    references = References()
    references.feed(run.html)
    assert references.found == []
    assert not re.search(r"url\(|@import", run.html)


def test_no_test_at_all(regress):
    run = regress({})
    assert run.status == 1
    assert "FAILED: no test was collected: nothing has been checked" in run.lines
    assert run.lines[-1] == "0 passed, 1 failed, 0 skipped"
    assert run.junit.attrib["failures"] == "1"


def test_folder_without_tests(regress, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    run = regress({"test_a.py": PASSING}, str(empty))
    assert run.status == 1
    assert f"FAILED: no test was collected from {empty}" in run.lines


def test_expression_that_matches_nothing(regress):
    run = regress({"test_a.py": PASSING}, "-k", "nothing")
    assert run.status == 1
    assert run.lines[-1] == "0 passed, 1 failed, 0 skipped"


def test_pytest_that_dies(regress):
    """Not even the process that hands out the tests can take the verdict with it."""
    die = """
import os

def pytest_runtest_logreport(report):
    if "PYTEST_XDIST_WORKER" not in os.environ and "test_b" in report.nodeid:
        os._exit(0)
"""
    run = regress({"conftest.py": die, "test_a.py": PASSING, "test_b.py": PASSING})
    assert run.status == 1
    assert "MISSING test_b.py::test_good" in run.lines


SIMULATED = """
import pytest

@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("name", ["TINY"])
def test_matches(name, simulator):
    if simulator == "icarus":
        pytest.skip("NOT RUN: icarus must be on PATH")
"""


def test_absent_simulator_fails(regress):
    """Allowing one to be absent allows no other."""
    run = regress({"test_unit.py": SIMULATED}, "--allow-missing-simulator", "verilator")
    assert run.status == 1
    assert "FAILED: icarus NOT RUN, 1 tests: icarus must be on PATH" in run.lines
    assert run.lines[-1] == "1 passed, 1 failed, 1 skipped"


def test_simulator_that_no_test_uses(regress):
    run = regress({"test_unit.py": SIMULATED.replace('"icarus", ', "")})
    assert run.status == 1
    assert "FAILED: icarus NOT RUN: no test uses it" in run.lines


def test_test_that_was_not_run_without_naming_its_simulator(regress):
    skip = "import pytest\ndef test_b(): pytest.skip('NOT RUN: icarus must be on PATH')\n"
    run = regress({"test_a.py": PASSING, "test_b.py": skip})
    assert run.status == 1
    assert "FAILED: icarus NOT RUN, 1 tests: icarus must be on PATH" in run.lines


def test_absent_simulator_can_be_allowed_but_not_hidden(regress):
    run = regress({"test_unit.py": SIMULATED}, "--allow-missing-simulator", "icarus")
    assert run.status == 0
    assert "WARNING: icarus NOT RUN, 1 tests: icarus must be on PATH" in run.lines
    assert run.lines[-1] == "1 passed, 0 failed, 1 skipped"
    assert run.cards == ["1", "0", "1", "0"]


def test_one_simulator_only(regress):
    run = regress({"test_unit.py": SIMULATED}, "--sim", "verilator")
    assert run.status == 0
    assert run.lines[-1] == "1 passed, 0 failed, 0 skipped"


def test_nothing_but_skips_is_no_success(regress):
    skip = "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n"
    run = regress({"test_a.py": skip})
    assert run.status == 1
    assert "FAILED: no test was run: nothing has been checked" in run.lines


@pytest.mark.parametrize(("workers", "count"), [(1, 40), (2, 40), (2, 8), (3, 17), (4, 3), (5, 0)])
def test_one_worker_begins_with_the_twin_and_the_others_without(workers, count):
    names = [f"tests/models/system/test_{n}.py" for n in range(60)]
    names += [f"tests/golden/test_{n}.py" for n in range(count)]
    found = regress_plugin.arranged([(name, name) for name in names], workers)
    assert sorted(found) == sorted(names)
    assert "models" in found[0]
    size = -(-len(names) // workers)
    begins = [found[n * size] for n in range(1, workers)]
    assert sum("golden" in name for name in begins) >= min(count, workers - 1) * (count >= workers)
