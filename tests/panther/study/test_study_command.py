"""``panther study``."""

import errno
import os
import re
import sys
from pathlib import Path

import pytest

TEXT = """
name: squares
task: square.py
fixed: {fail: 2}
grid: {n: [1, 2, 3]}
workers: 1
"""


@pytest.fixture
def file(square):
    path = square.with_name("a.study.yaml")
    path.write_text(TEXT)
    return path


@pytest.fixture
def place(tmp_path):
    return tmp_path / "results"


def full(_path, _content):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_run_show_point_report(panther, file, place, monkeypatch):
    status, out, err = panther("study", "run", file, "--folder", place)
    assert status == 1
    assert "failed: ValueError: n is bad" in err
    *_, fail, replay, last = out.splitlines()
    assert fail == "FAIL ValueError: n is bad"
    assert last == "2 of 3 points have results, 1 failed, 0 have not been run"
    assert (place / "report.html").exists()

    status, out, err = panther(*replay.split()[1:])
    assert (status, out) == (1, "fail: 2\nn: 2\n\n")
    assert "Traceback" in err
    assert 'square.py", line' in err
    assert err.endswith("ValueError: n is bad\n")

    # still there when the code has been changed to see what is wrong, or mended
    task = file.with_name("square.py")
    task.write_text(task.read_text().replace('raise ValueError("n is bad")', "pass"))
    status, out, _ = panther(*replay.split()[1:])
    assert status == 0
    assert "square: 4" in out

    status, out, _ = panther("study", "show", place)
    assert status == 1
    assert out.splitlines()[0].split() == ["key", "n", "square", "seconds", "status"]
    assert out.splitlines()[-1] == last
    query = "select count(*) c, sum(square) s from results where status = 'done'"
    status, out, _ = panther("study", "show", place, "--sql", query)
    assert (status, out.split()) == (0, ["c", "s", "2", "10"])

    (place / "report.html").unlink()
    assert panther("study", "report", place) == (0, f"{place}/report.html\n", "")
    assert (place / "report.html").exists()
    with monkeypatch.context() as patched:
        patched.setattr("panther.host.checkpoint.write_whole", full)
        status, _, err = panther("study", "report", place)
    assert status == 75
    assert "report.html cannot be written: No space left on device. All results" in err

    status, out, _ = panther("study", "run", file, "--folder", place)
    assert status == 0
    assert out.splitlines()[-1] == "3 of 3 points have results, 0 failed, 0 have not been run"


def test_default_folder(panther, file, place, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, out, _ = panther("study", "run", file.name)
    assert status == 1
    assert "table: runs/studies/squares/results.parquet" in out
    replay = out.splitlines()[-2].strip()
    assert replay.startswith(f"panther study point {file.name} --key ")
    assert len(replay.split()) == 6
    assert panther(*replay.split()[1:])[0] == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "no.yaml"], "panther study: error: Study file no.yaml cannot be read: No such"),
        (["show", "{}"], "must be one that panther study run has written"),
        (["report", "{}"], "must be one that panther study run has written"),
        (["point", "{}", "--key", "a"], "must be one that panther study run has written"),
        (["rnu"], "panther study: error: No such command 'rnu'. Did you mean 'run'?"),
    ],
)  # fmt: skip
def test_one_line_for_what_is_wrong(rejected, tmp_path, arguments, expected):
    assert expected in rejected("study", *(part.format(tmp_path) for part in arguments))


def test_folder_that_is_a_file(rejected, file):
    expected = f"Folder {file} must be one that panther study run has written"
    assert expected in rejected("study", "show", file)


def test_typo_in_a_study_file(rejected, file, place):
    file.write_text(TEXT.replace("grid", "gird"))
    assert rejected("study", "run", file, "--folder", place) == (
        f"panther study: error: {file}:5: Key must be one of name, task, fixed, grid, zip, repeat, "
        "search, fronts, workers, slurm, not 'gird'; did you mean grid?"
    )
    assert not place.exists()


def test_key_of_no_point(rejected, file):
    line = rejected("study", "point", file, "--key", "xyz")
    assert line == (
        "panther study: error: Key must be the beginning of one point's, not of none: 'xyz'"
    )
    assert "not of 3: ''" in rejected("study", "point", file, "--key", "")


def test_query_that_is_none(panther, rejected, file, place):
    panther("study", "run", file, "--folder", place)
    line = rejected("study", "show", place, "--sql", "select nothing from results")
    assert line.startswith("panther study: error: SQL: Binder Error")


def test_examples_can_be_read():
    from panther.study import load

    found = sorted(Path(__file__).parents[3].glob("examples/*.study.yaml"))
    assert found
    for path in found:
        assert load(path).points(), path


def test_file_of_the_docs_can_be_read():
    from panther.study.file import parse

    text = (Path(__file__).parents[3] / "docs" / "studies.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(parse(example, "docs", folder=Path()).points()) == 36


@pytest.mark.parametrize("name", ["duckdb", "distributed", "optuna", "matplotlib.figure"])
def test_packages_that_are_missing(panther, file, place, monkeypatch, name):
    extra = {"distributed": "cluster", "optuna": "search"}.get(name, "study")
    monkeypatch.setitem(sys.modules, name, None)
    options = ["--scheduler", "tcp://127.0.0.1:1"] if name == "distributed" else []
    if name == "optuna":
        file.write_text(TEXT.replace("grid: {n: [1, 2, 3]}", """
search: {objective: square, trials: 2, space: {n: [1, 3]}}"""))  # fmt: skip
    status, _, err = panther("study", "run", file, "--folder", place, *options)
    assert status == 2
    assert f" need pip install 'panther-rtl[{extra}]': " in err


def test_pareto_prints_fronts_and_draws_them(panther, file, place, tmp_path):
    panther("study", "run", file, "--folder", place)
    status, out, _ = panther("study", "pareto", place, "n:min,square:max", "n:min,square:min")
    assert status == 0
    assert [line.split() for line in out.splitlines()] == [
        "2 of 2 points: n:min,square:max".split(), ["number", "n", "square", "point"],
        ["1", "1", "1", "n", "1"], ["2", "3", "9", "n", "3"],
        "1 of 2 points: n:min,square:min".split(), ["number", "n", "square", "point"],
        ["1", "1", "1", "n", "1"],
    ]  # fmt: skip
    picture = tmp_path / "front.png"
    status, out, _ = panther("study", "pareto", place, "n:min,square:max", "--picture", picture)
    assert (status, out.splitlines()[-1]) == (0, str(picture))
    assert picture.read_bytes()[:4] == b"\x89PNG"
    status, _, err = panther("study", "pareto", place)
    assert status != 0
    assert "Front must be given, for the study has none: energy_j:min,accuracy:max" in err
    status, _, err = panther("study", "pareto", place, "n:min,cube:max")
    assert status != 0
    assert "Goal of a front must be one of fail, n, square" in err
