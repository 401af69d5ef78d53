"""Study files: what they mean, and where what is wrong stands."""

import pytest

from panther.study import Range, Search, Study, StudyError, load

GOOD = """\
name: squares
task: square.py
fixed: {scale: 1e-1, kind: on}
grid:
  n: {from: 1, to: 7, step: 3}
zip:
  - seed: [1, 2]
    fail: [8, 9]
repeat:
  log: [x, 'y']
fronts: ["n:min,square:max"]
workers: 3
"""


@pytest.fixture
def study_file(square):
    def make(text):
        path = square.with_name("a.study.yaml")
        path.write_text(text)
        return path

    return make


def test_points_are_all_combinations(study_file, square):
    study = load(study_file(GOOD))
    assert study.task == str(square)
    assert study.workers == 3
    assert study.fronts == ("n:min,square:max",)
    points = study.points()
    assert [(p["n"], p["seed"], p["fail"], p["log"]) for p in points] == [
        (n, seed, fail, log) for n in (1, 4, 7) for seed, fail in ((1, 8), (2, 9)) for log in "xy"
    ]
    assert all(p["scale"] == 0.1 and p["kind"] == "on" for p in points)
    assert [axis.names for axis in study.axes] == [("n",), ("seed", "fail"), ("log",)]


def test_words_and_numbers_of_yaml(study_file):
    text = "name: a\ntask: square.py\ngrid: {n: [010, 1_0, 1e2, .5, yes, 1:30, '7', true, 0x1]}\n"
    values = load(study_file(text)).grid["n"]
    assert values == (10, "1_0", 100.0, 0.5, "yes", "1:30", "7", True, "0x1")
    assert [type(value) for value in values][:3] == [int, str, float]


@pytest.mark.parametrize(
    ("range_", "values"),
    [
        (Range(start=0, stop=1, step=0.1), [n / 10 for n in range(11)]),
        (Range(start=1, stop=8, step=3), [1, 4, 7]),
        (Range(start=0.001, stop=1, count=4, scale="log"), [0.001, 0.01, 0.1, 1.0]),
        (Range(start=0, stop=10, count=3), [0, 5, 10]),
        (Range(start=0, stop=1, count=5), [0.0, 0.25, 0.5, 0.75, 1.0]),
    ],
)
def test_ranges(range_, values):
    assert range_.values() == values
    assert [type(value) for value in range_.values()] == [type(value) for value in values]


BAD = [
    ("", 1, "Study must be keys with values, not None"),
    ("name: a\ntask: [", 2, "YAML: expected the node content, but found '<stream end>'"),
    ("name: a\n", 1, "Study must have task"),
    (
        "name: a\ntask: square.py\ngird: {n: [1]}\n", 3,
        ("Key must be one of name, task, fixed, grid, zip, repeat, search, fronts, workers, slurm, "
         "not 'gird'; did you mean grid?"),
    ),
    (
        "name: a\ntask: square.py\ngrid: {n: [1]}\nfronts:\n- n:min,square:max\n- n:min\n", 4,
        "Front must have two different goals or more, not 'n:min'",
    ),
    ("name: a\ntask: square.py\nfronts: {n: min}\n", 3, "fronts must be a text, not *"),
    (
        "name: a\ntask: trian\n", 2,
        "Task must be one of train, *, a file TASK.py, not 'trian'; did you mean train?",
    ),
    (
        "name: a\ntask: square.py\ngrid:\n  n: [1]\n  scael: [1, 2]\n", 5,
        ("Parameter must be one of n, scale, seed, log, fail, die, seconds, kind, not 'scael'; did "
         "you mean scale?"),
    ),
    ("name: a\ntask: square.py\ngrid: {n: [1]}\nfixed:\n  scale: 0\n", 5, "scale must not be 0"),
    ("name: a\ntask: square.py\ngrid:\n  n: [1]\n  scale: [1,\n 0]\n", 5, "scale must not be 0"),
    ("name: a\ntask: none.py\n", 2, "Task must be a name or a file that exists, not */none.py"),
    ("name: a\nname: b\n", 2, "name must be given once, not in line 1, too"),
    ("name: a\ntask: square.py\ngrid: {n: []}\n", 3, "n must have at least one value, not 0"),
    (
        "name: a\ntask: square.py\ngrid: {n: [1, 1]}\n", 3,
        "n must have every value once, not 1 twice",
    ),
    (
        "name: a\ntask: square.py\ngrid: {n: [1, 1.0]}\n", 3,
        "n must have every value once, not 1.0 twice",
    ),
    (
        "name: a\ntask: square.py\ngrid:\n  n: 1\n", 4,
        "n must be a list of values or a range (from, to, step or count), not 1",
    ),
    (
        "name: a\ntask: square.py\nfixed: {n: 1}\nrepeat: {n: [1]}\n", 4,
        "Parameter n must be in one place, not in fixed and repeat",
    ),
    (
        "name: a\ntask: square.py\nzip:\n- n: [1]\n- {seed: [1, 2],\n   scale: [1]}\n", 5,
        "Parameters of one axis must have as many values each: seed has 2, scale has 1",
    ),
    (
        "name: a\ntask: square.py\ngrid:\n  n: {from: 1, too: 2}\n", 4,
        "Key must be one of from, to, step, count, scale, not 'too'; did you mean to?",
    ),
    (
        "name: a\ntask: square.py\ngrid:\n  n: {from: 2, to: 1, step: 1}\n", 4,
        "Range must go up, not from 2 to 1",
    ),
    (
        "name: a\ntask: square.py\ngrid:\n  n: {from: 1, to: 2}\n", 4,
        "n: Range must have a step or a count, and not both",
    ),
    (
        "name: a\ntask: square.py\ngrid: {n: [.nan]}\n", 3,
        "n must be a text, a finite number, true or false, or a list of them, not nan",
    ),
    (
        "name: a\ntask: square.py\nworkers: 0\n", 3,
        "Workers must be an integer in the range [1, 1024], not 0",
    ),
    (
        "name: a\ntask: square.py\nsearch:\n  objective: s\n  space:\n    n: [1]\n  sampler: tpf",
        7, "Sampler must be one of tpe, random, not 'tpf'; did you mean tpe?",
    ),
    (
        "name: a\ntask: square.py\ngrid: {n: [1]}\nsearch: {objective: s, space: {x: [1]}}\n", 4,
        "Study must have a search or axes, not both",
    ),
    (
        "name: a\ntask: square.py\nslurm:\n  memory: much\n", 4,
        "Memory must be like 4GB, not 'much'",
    ),
    (
        "name: a\ntask: square.py\n? [a, b]\n: 1\n", 3,
        "Key must be a text, not a list or keys with values",
    ),
    ("name: a\ntask: &t [*t]\n", 1, "YAML: nothing must contain itself by an alias"),
    (
        "name: a\ntask: train\nfixed:\n  model: mlp\n  device.pulse_nose: 1\n", 5,
        "Parameter must be a known one, not 'device.pulse_nose'; did you mean device.pulse_noise?",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "expected"), BAD)
def test_what_is_wrong_has_a_line(study_file, text, line, expected):
    path = study_file(text)
    with pytest.raises(StudyError) as error:
        load(path)
    said = str(error.value)
    before, _, after = expected.partition("*")
    assert said.startswith(f"{path}:{line}: {before}")
    assert said.endswith(after)


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match=r"Study file .*/no cannot be read: No such file"):
        load(tmp_path / "no")


def test_study_in_python_is_checked_too():
    with pytest.raises(StudyError, match="must have every value once"):
        _ = Study(name="a", task="train", grid={"n": [1, 1]}).axes
    with pytest.raises(StudyError, match="n must be a list of values, not 3"):
        _ = Study(name="a", task="train", grid={"n": 3}).axes
    with pytest.raises(StudyError, match="Space must have at least one"):
        Search(space={}, objective="a")
