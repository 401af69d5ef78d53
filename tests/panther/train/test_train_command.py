"""``panther train``: what it says, and that bad input leaves nothing behind."""

import gzip
import struct

import numpy as np
import onnx
import pytest

from golden.data import Dataset
from panther.arch.network import TrainPlan
from panther.compiler.builder import Model
from panther.train.errors import TrainError
from panther.train.problem import prepare
from tests.panther.frontends.onnx_files import to_onnx
from tests.panther.train.networks import examples, pictures, two_layers

MODEL = """\
from panther.compiler.builder import Model

model = Model((1, 8, 8), name="mine", seed=3)
model.input.flatten().linear(10).softmax_cross_entropy()
other = Model((1, 4, 4), name="other")
other.input.flatten().linear(3).mse()


def fails():
    raise KeyError("no such thing")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with a model in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODEL)
    return tmp_path


def idx(folder, name, array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    (folder / f"{name}.gz").write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


def idx_folder(folder, side=8, highest=9, count=40):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        labels = rng.integers(0, 10, count)
        labels[7] = highest
        idx(folder, f"{part}-images-idx3-ubyte", rng.integers(0, 256, (count, side, side)))
        idx(folder, f"{part}-labels-idx1-ubyte", labels)
    return folder


def test_it_prints_epochs_and_leaves_a_report(panther, folder):
    status, out, err = panther(
        "train", "net.py", "--epochs", 2, "--examples", 100, "--schedule", "1:0.5"
    )
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["epoch", "examples", "loss", "accuracy"]
    assert [line.split()[:2] for line in lines[1:3]] == [["1", "100"], ["2", "200"]]
    assert lines[3:] == ["report: runs/net-1/report.html"]
    assert (folder / "runs/net-1/report.html").is_file()
    assert panther("train", "net.py:model", "--epochs", 1, "--examples", 9)[0] == 0
    assert (folder / "runs/net-2/metrics.csv").is_file()


def test_it_checks_and_resumes(panther, folder):
    how = ["train", "net.py", "--engine", "transaction", "--examples", 8, "--run", "r"]
    status, out, _ = panther(*how, "--epochs", 1, "--check", "--checkpoint-every", 3)
    assert status == 0
    assert out.startswith("node: 1 x 1 tiles, 1 of them used")
    assert "all 5,200 cells equal golden's at 3 checkpoints\n" in out
    status, out, _ = panther(*how, "--epochs", 2, "--resume")
    assert status == 0
    assert "resumed after 8 examples\n" in out


def test_it_reads_mnists_files(panther, folder):
    idx_folder(folder / "data")
    assert panther("train", "net.py", "--data", "data", "--epochs", 1)[0] == 0


BAD = {
    "no such model": (["nothing"], "model must be FILE.onnx, FILE.py:NAME or one of mlp, "),
    "no such name": (["net.py:nobody"], "net.py: must define 'nobody'"),
    "raises": (["net.py:fails"], "net.py:10: KeyError: 'no such thing'"),
    "no such file": (["gone.onnx"], "gone.onnx: "),
    "variant": (["mlp", "--variant", "V4"], "Variant must be one of V1, V2, V3, not 'V4'"),
    "batch of V1": (["mlp", "--batch", "4"], "Batch must be 1 with variant V1, not 4"),
    "lr": (["mlp", "--lr", "nan"], "Learning rate must be positive and finite, not nan"),
    "negative lr": (["mlp", "--lr", "-1"], "Learning rate must be positive and finite, not -1.0"),
    "tiny lr": (["mlp", "--lr", "1e-12"], "Learning rate 1e-12 must be larger or smaller"),
    "schedule": (["mlp", "--schedule", "1:0"], "Factor from epoch 1 on must be positive"),
    "schedule before": (["mlp", "--schedule=-1:2"], "Epoch of the schedule must be an integer in"),
    "schedule twice": (["mlp", "--schedule", "1:2,1:3"], "Epochs of the schedule must be differen"),
    "schedule text": (["mlp", "--schedule", "x"], "Schedule must be EPOCH:FACTOR and so on"),
    "momentum": (["mlp", "--momentum", "0.5"], "Momentum and history must both be given"),
    "tiny momentum": (
        ["mlp", "--variant", "V2", "--momentum", "1e-12", "--history", "1"],
        "Momentum must be 0 or at least 2**-31, not 1e-12",
    ),
    "CRS period": (
        ["mlp", "--crs-period", "32768"],
        "CRS period must be an integer in the range [1, 32767], not 32768",
    ),
    "engine": (["mlp", "--engine", "fast"], "Engine must be one of golden, transaction, rtl"),
    "formats": (["mlp", "--formats", "wide"], "Formats must be one of default, calibrated"),
    "no data": (["mlp", "--data", "none"], "Data must be digits or a folder of IDX files"),
    "empty data": (["mlp", "--data", "."], "train-images-idx3-ubyte: file must exist"),
    "wrong shape": (["net.py:other"], "Examples must have the 16 words of the network's input"),
    "pixels": (["mlp", "--data", "small"], "Examples must have the 64 words of the network's"),
    "labels": (["mlp", "--data", "many"], "Label of train example 7 must be in the range [0, 9]"),
    "too many": (["mlp", "--examples", "1438"], "Examples must be from 1 to the 1437 there are"),
    "not fitting": (
        ["mlp", "--engine", "transaction", "--node", "TWO_TILES", "--set", "width=1"],
        "it needs 2 tiles of 1",
    ),
    "no node": (["mlp", "--node", "x"], "Node must be auto, a mesh such as 2x1"),
    "check": (["mlp", "--check"], "Check must be with engine transaction or rtl"),
    "nothing to resume": (["mlp", "--resume", "--run", "r"], "r must have a run to be resumed"),
    "resume what": (["mlp", "--resume"], "Resuming must have a run folder"),
    "taken": (["mlp", "--run", "many"], "Run folder many must be new or empty; --resume"),
    "a file": (["mlp", "--run", "net.py"], "Run folder net.py must be new or empty"),
    "input": (["mlp", "--input", "8"], "mlp: shape of the input must not be given"),
    "simulator": (["mlp", "--engine", "rtl", "--sim", "x"], "Simulator must be one of"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_leaves_no_folder(rejected, folder, name):
    idx_folder(folder / "many", highest=11)
    idx_folder(folder / "small", side=7)
    before = sorted(folder.rglob("*"))
    arguments, message = BAD[name]
    said = rejected("train", *arguments)
    assert said.startswith("panther train: error: ")
    assert message in said
    assert [p for p in sorted(folder.rglob("*")) if "__pycache__" not in p.parts] == before


def test_a_truncated_onnx_file(rejected, folder):
    file = folder / "m.onnx"
    onnx.save(to_onnx(two_layers().graph()), file)
    file.write_bytes(file.read_bytes()[:-40])
    assert "m.onnx" in rejected("train", "m.onnx")
    assert not (folder / "runs").exists()


def test_weights_that_are_no_numbers(rejected, folder):
    (folder / "bad.py").write_text(
        "import numpy as np\nfrom panther.compiler.builder import Model\nmodel = Model((4,))\n"
        "model.input.linear(2, weight=np.full((2, 4), np.nan)).softmax_cross_entropy()\n"
    )
    assert "bad.py:4: linear_0: weight must be finite, not nan" in rejected("train", "bad.py")


def test_missing_tensorboard(rejected, folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    said = rejected("train", "net.py", "--tensorboard")
    assert "TensorBoard needs pip install 'panther-rtl[tensorboard]'" in said
    assert not (folder / "runs").exists()


def changed(part, place, value):
    data = [np.array(array) for array in examples(two_layers())]
    data[part] = data[part].astype(float) if part % 2 == 0 else data[part]
    data[part][place] = value
    return tuple(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(0, (3, 2), np.nan), "Data must be finite, not nan"),
        (changed(2, (3, 2), np.inf), "Data must be finite, not inf"),
        (changed(1, 5, -1), r"Label of train example 5 must be in the range \[0, 3\] .*, not -1"),
        (changed(3, 2, 4), r"Label of test example 2 must be in the range \[0, 3\] .*, not 4"),
        ((examples(two_layers())[0], [1], *examples(two_layers())[2:]), "one for each of 45"),
        (examples(pictures()), "Examples|examples"),
        ((np.zeros((3, 8)), np.zeros(3), np.zeros((3, 8)), np.zeros(3)), "Labels must be integers"),
        ((np.zeros((0, 8)), np.zeros(0, int)) * 2, "Examples must be at least one for training"),
        ((["a"], [1], ["b"], [1]), "Data must be an array of numbers"),
        (("digits", 1), "Data must be digits, a folder of IDX files, a Dataset, or four arrays"),
        (Dataset(*(np.zeros((2, 8), np.int64), np.array([0, 9])) * 2), "Label of train example 1"),
    ],
)
def test_bad_data(data, message):
    with pytest.raises(TrainError, match=message):
        prepare(two_layers(), data, plan=TrainPlan())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "Model must be a name, a Model, a Graph or a torch.nn.Module, not 3"),
        (np.zeros(3), "Model must be a name"),
        (Model((4,)), "model must have a loss at its end"),
    ],
)
def test_bad_models(model, message):
    with pytest.raises(TrainError, match=message):
        prepare(model, examples(two_layers()), plan=TrainPlan())


def test_pictures_with_and_without_an_axis_for_channels():
    model = pictures()
    x, y, test_x, test_y = examples(model)
    plain = prepare(model, (x[:, 0], y, test_x[:, 0], test_y), plan=TrainPlan())
    assert plain.identity() == prepare(model, (x, y, test_x, test_y), plan=TrainPlan()).identity()
