"""Keys of points: what changes them, and what does not."""

import subprocess
import sys

import pytest

import panther
from panther.study import Study, StudyError
from panther.study.study import canonical
from panther.study.tasks import check_study, find
from panther.study.train import SOURCES
from panther.study.train import run as train_point


def key(path, **parameters):
    return find(str(path)).key(parameters)


def test_key_is_of_task_and_parameters(square):
    first = key(square, n=1, scale=2.0)
    assert key(square, scale=2, n=1) == first
    assert (
        len({first, key(square, n=2, scale=2), key(square, n=1), key(square, n="1", scale=2)}) == 4
    )
    other = square.with_name("cube.py")
    other.write_text(square.read_text())
    assert key(other, n=1, scale=2) != first


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"""Squares."""', "", True),
        ("    report(0.5)\n", "    # half of it\n\n    report(0.5)\n", True),
        ("report(0.5)", "report(0.6)", False),
        ("n * n", "n * 2", False),
    ],
)
def test_code_counts_comments_do_not(square, old, new, same):
    before = key(square, n=1)
    text = square.read_text()
    assert old in text
    square.write_text(text.replace(old, new))
    assert (key(square, n=1) == before) is same


def test_code_of_sources_counts(tmp_path, monkeypatch):
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").touch()
    inner = package / "inner.py"
    inner.write_text("A = 1\n")
    task = tmp_path / "task.py"
    task.write_text("SOURCES = ('some_package',)\ndef run(parameters, report): return {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = key(task)
    inner.write_text("A = 2\n")
    assert key(task) != before


def test_content_of_files_counts(tmp_path):
    task, data = tmp_path / "task.py", tmp_path / "data"
    task.write_text(
        "def run(parameters, report): return {}\ndef files(parameters): return [parameters['data']]"
    )
    data.write_text("1")
    before = key(task, data=str(data))
    assert key(task, data=str(data)) == before
    data.write_text("2")
    assert key(task, data=str(data)) != before
    data.unlink()
    with pytest.raises(StudyError, match="cannot be read: No such file"):
        key(task, data=str(data))


def test_fault_maps_are_among_the_files(tmp_path):
    faults = tmp_path / "faults.npz"
    faults.write_bytes(b"1")
    for task, given in (
        (find("train"), {"device.fault_file": str(faults)}),
        (find("effect"), {"effect": f"fault_file={faults}"}),
    ):
        faults.write_bytes(b"1")
        before = task.key({"model": "mlp", **given})
        faults.write_bytes(b"22")
        assert task.key({"model": "mlp", **given}) != before


def test_canonical_parameters():
    assert canonical({"b": [1.0, "x"], "a": 1e-3}) == '{"a":0.001,"b":[1,"x"]}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = (", "cannot be imported: '(' was never closed"),
        ("import nothing_like_it", "cannot be imported: No module named"),
        ("run = 3", "must have a function run"),
        ("SOURCES = ('no_such',)\ndef run(p, r): pass", "must be modules, not no_such"),
    ],
)  # fmt: skip
def test_task_that_is_none(tmp_path, text, expected):
    path = tmp_path / "task.py"
    path.write_text(text)
    with pytest.raises(StudyError) as error:
        find(str(path))
    assert expected in str(error.value)


# ---- the task train


def checked(**fixed):
    return check_study(Study(name="a", task="train", fixed={"model": "mlp", **fixed}))


@pytest.mark.parametrize(
    ("fixed", "expected"),
    [
        ({"lrr": 1}, "not 'lrr'; did you mean lr?"),
        ({"slices": "44463555"}, "Cell of slice 3 must hold at least the 4 value bits, not 3"),
        ({"adc.bits": 3}, "ADC of slice 0 must have at least the 5 bits of a cell"),
        ({"model": "mpl"}, "FILE.onnx, FILE.py:NAME, not 'mpl'; did you mean mlp?"),
        ({"lr": "fast"}, "lr must be a number, not 'fast'"),
        ({"epochs": 0}, "Epochs must be an integer in the range [1, 2147483647], not 0"),
        ({"variant": "V4"}, "Variant must be one of V1, V2, V3, not 'V4'"),
        ({"mcu": "PAPR"}, "not 'PAPR'; did you mean PAPER?"),
        ({"schedule": ["2;3"]}, "schedule must be a list of EPOCH:FACTOR, such as 2:0.5, not '2;"),
        ({"device.read_noise": -1}, "must be"),
    ],
)  # fmt: skip
def test_parameters_train_refuses(fixed, expected):
    with pytest.raises(StudyError) as error:
        checked(**fixed)
    assert expected in str(error.value)


def test_train_is_panther_train():
    shared = {"lr": 0.03, "epochs": 2, "seed": 3, "examples": 130, "crs_period": 8}
    shares = []
    found = train_point(
        {"model": "mlp", "slices": "6x8", "adc.per_slice": 4, "schedule": ["1:0.5"], **shared},
        shares.append,
    )
    run = panther.train(
        "mlp", node="1x1", node_parameters=["slices=6x8", "adc.per_slice=4"],
        schedule=[(1, 0.5)], **shared,
    )  # fmt: skip
    assert found["accuracies"] == run.accuracy
    assert found["losses"] == [epoch.loss for epoch in run.epochs]
    assert found["accuracy"] == run.accuracy[-1]
    ends = [run.epochs[-1].saturation[f"cells.{name}"] for name in run.cells]
    sizes = [cells.size for cells in run.cells.values()]
    share = sum(e * s for e, s in zip(ends, sizes, strict=True)) / sum(sizes)
    assert found["end"] == pytest.approx(share, rel=1e-12)
    assert (found["opas"], found["crs"]) == (260, 32)
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize(
    ("parameters", "opas", "crs"),
    [
        ({"variant": "V3", "batch": 8}, 40, 6),
        ({"variant": "V2", "batch": 8, "crs_period": 10}, 40, 4),
        # batches of 8, 8, 4, 8, 8, 4, each with the two before
        ({"variant": "V2", "batch": 8, "momentum": 0.5, "history": 2}, 8 + 16 + 4 * 20, 6),
    ],
)
def test_opas_and_crs_are_counted(parameters, opas, crs):
    shared = {"model": "mlp", "epochs": 2, "examples": 20, "lr": 0.1}
    found = train_point({**shared, **parameters}, lambda _share: None)
    assert (found["opas"], found["crs"]) == (opas, crs)


def test_headroom_resolves_rows():
    """As many as make up for no CRS at all; nothing an OPA adds is lost then."""
    found = train_point(
        {"model": "mlp", "epochs": 1, "examples": 20, "crs_period": "none", "headroom": 128},
        lambda _share: None,
    )
    assert found["opa_clipped_slices"] == [0] * 8
    assert 0 < found["crs"] < 20
    assert 0 <= max(found["at_limit_slices"]) <= 1


def test_every_source_of_train_counts():
    """Whatever of ours a run imports is hashed, but for what decides no result."""
    code = (
        "import sys\n"
        "from panther.study.train import run\n"
        "run({'model': 'mlp', 'epochs': 1, 'examples': 2}, print)\n"
        "ours = ('panther', 'golden', 'models')\n"
        "print(*sorted(n for n in sys.modules if n.partition('.')[0] in ours), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    named = {*SOURCES, "panther.study", "panther.train.errors"}
    # a host is imported for other engines, and a package for what is in it
    named |= {"panther.host", "panther.asm", "models", "panther.compiler", "panther.check"}
    named |= {"panther.train.nodes", "panther.train.machine", "panther.train.momentum"}
    named |= {"panther.train.devices", "panther.yaml_lines"}
    packages = {"panther", "panther.train"}
    missing = [
        name for name in done.stderr.split()
        if name not in packages and not any(name == n or name.startswith(f"{n}.") for n in named)
    ]  # fmt: skip
    assert missing == []
