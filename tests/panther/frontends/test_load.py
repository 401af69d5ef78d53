"""Models by name, and what ``panther import`` says of them."""

import re

import numpy as np
import onnx
import pytest

from panther.cli import main
from panther.compiler.graph import ModelError, parse
from panther.compiler.models import MODELS
from panther.frontends.load import load
from tests.panther.frontends.onnx_files import to_onnx

TEXT = """\
from panther.compiler.builder import Model

model = Model((1, 4, 4), name="small", seed=3)
model.input.conv2d(2, 3).relu().flatten().linear(3).mse()
graph = model.graph()


def function():
    return model


def fails():
    raise KeyError("no such thing")


def leaves():
    raise SystemExit(3)


def chains_badly():
    m = Model((1, 4, 4))
    return m.input.linear(3)


class Group:
    inner = model


number = 7
norm = Model((2, 4, 4))
norm.input.conv2d(3, 3).tanh().batch_norm([1] * 3, [2] * 3).flatten().linear(2).mse()
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(TEXT)
    return "net.py"


@pytest.fixture
def shown(capsys):
    """Call ``panther import``; return status, stdout and the lines of stderr."""

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["import", *arguments])
        out, err = capsys.readouterr()
        return end.value.code, out, err.splitlines()

    return call


@pytest.mark.parametrize("name", ["model", "graph", "function", "Group.inner"])
def test_object_of_a_file(file, name):
    graph = load(f"{file}:{name}")
    assert graph.name == "small"
    assert graph.nodes[1].source == "net.py:4"


@pytest.mark.parametrize("name", MODELS)
def test_one_of_ours(name):
    assert load(name, seed=2) == MODELS[name](2)


def test_onnx_file(tmp_path):
    onnx.save(to_onnx(MODELS["cnn"](1)), tmp_path / "net.onnx")
    assert load(str(tmp_path / "net.onnx")) == MODELS["cnn"](1)
    assert load(str(tmp_path / "net.onnx"), loss="mse").losses[0].name == "mse_0"


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("vgg", {}, "model must be FILE.onnx, FILE.py:NAME or one of mlp, cnn, resnet, mlp-l4,"),
        ("net.py", {}, "net.py: must be followed by a colon and the name of the model in it"),
        ("no.py:model", {}, "no.py: must be a file that exists"),
        ("net.py:other", {}, "net.py: must define 'other'"),
        ("net.py:number", {}, "net.py:number: must be a Model, a Graph, a torch.nn.Module, or a "),
        ("net.py:fails", {}, "net.py:13: KeyError: 'no such thing'"),
        ("net.py:leaves", {}, "net.py:17: SystemExit: 3"),
        ("net.py:chains_badly", {}, "net.py:22: linear_0: input must be a vector"),
        ("net.py:model", {"shape": (1, 4, 4)}, "net.py:model: shape of the input must not be"),
        ("net.py:model", {"loss": "mse"}, "net.py:model: loss must not be given"),
        ("cnn", {"loss": "mse"}, "cnn: loss must not be given, the model has its own"),
        ("cnn", {"shape": (1, 8, 8)}, "cnn: shape of the input must not be given"),
        ("no.onnx", {"shape": (1, 8, 8)}, "no.onnx: shape of the input must not be given"),
        ("no.onnx", {}, "no.onnx: cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_no_model(file, model, options, expected):
    with pytest.raises(ModelError, match=re.escape(expected)) as error:
        load(model, **options)
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(:\n", "bad.py:1: SyntaxError: "),
        ("\nimport nonsense_\n", "bad.py:2: ModuleNotFoundError: No module named 'nonsense_'"),
        ("x = 1\n\n1 / 0\n", "bad.py:3: ZeroDivisionError: division by zero"),
        ("raise ModuleNotFoundError('no torch', name='torch')",
         "bad.py: needs pip install 'panther-rtl[torch]': no torch"),
        ("from panther.compiler.builder import Model\nm = Model((0,))",
         "bad.py:2: input_0: size must be an integer in the range"),
        ("raise ValueError", "bad.py:1: ValueError: no message"),
    ],
)  # fmt: skip
def test_file_that_raises(tmp_path, monkeypatch, text, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(ModelError, match=re.escape(expected)):
        load("bad.py:m")


def test_extra_that_is_not_installed(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "panther.frontends.onnx", raising=False)
    with pytest.raises(ModelError, match=r"needs pip install 'panther-rtl\[onnx\]'"):
        load(str(tmp_path / "net.onnx"))


def test_graph_is_shown(shown):
    status, out, err = shown("mlp")
    assert (status, err) == (0, [])
    graph = MODELS["mlp"](1)
    assert parse(out, graph.weights) == graph


def test_report(file, shown):
    status, out, err = shown("net.py:model", "--check")
    assert (status, err) == (0, [])
    assert out.splitlines() == [
        "node       operation  shape  crossbar  supported  source",
        "input_0    input      1x4x4  -         yes        net.py:3",
        "conv2d_0   conv2d     2x2x2  37 x 2    yes        net.py:4",
        "relu_0     relu       2x2x2  -         yes        net.py:4",
        "flatten_0  flatten    8      -         yes        net.py:4",
        "linear_0   linear     3      17 x 3    yes        net.py:4",
        "mse_0      mse        -      -         yes        net.py:4",
        "small: supported; 125 weights take 2 of the paper's crossbars of 128 x 128",
    ]


def test_report_of_what_is_not_supported(file, shown):
    status, out, err = shown("net.py:norm", "--check")
    problem = (
        "batch norm must come right after linear or conv2d to be folded into it, not after tanh "
        "tanh_0"
    )
    assert status == 2
    assert err == [f"panther import: error: net.py:31: batch_norm_0: {problem}"]
    assert out.splitlines() == [
        "node          operation   shape  crossbar  supported  source",
        "input_0       input       2x4x4  -         yes        net.py:30",
        "conv2d_0      conv2d      3x2x2  37 x 3    yes        net.py:31",
        "tanh_0        tanh        3x2x2  -         yes        net.py:31",
        "batch_norm_0  batch_norm  3x2x2  -         no         net.py:31",
        f"    {problem}",
        "flatten_0     flatten     12     -         yes        net.py:31",
        "linear_0      linear      2      17 x 2    yes        net.py:31",
        "mse_0         mse         -      -         yes        net.py:31",
    ]


def test_a_line_for_every_problem(tmp_path, monkeypatch, shown):
    monkeypatch.chdir(tmp_path)
    model = to_onnx(MODELS["cnn"](1))
    for node in model.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Elu"
    onnx.save(model, "net.onnx")
    status, out, err = shown("net.onnx")
    assert (status, out) == (2, "")
    assert [line.partition(" is not")[0] for line in err] == [
        "panther import: error: net.onnx:Relu.relu_0: Elu_0: Elu",
        "panther import: error: net.onnx:Relu.relu_1: Elu_1: Elu",
    ]
    status, out, err = shown("net.onnx", "--check")
    assert (status, len(err)) == (2, 2)
    rows = [line.split()[:-1] for line in out.splitlines()]
    assert ["Elu_0", "Elu", "8x8x8", "-", "no"] in rows
    assert ["linear_0", "Gemm", "10", "257", "x", "10", "yes"] in rows


def test_note_is_shown(tmp_path, shown):
    model = to_onnx(MODELS["mlp"](1))
    end = model.graph.output[0].name
    model.graph.node.append(onnx.helper.make_node("Softmax", [end], ["p"]))
    model.graph.output[0].name = "p"
    onnx.save(model, tmp_path / "net.onnx")
    status, out, _ = shown(str(tmp_path / "net.onnx"), "--check")
    assert status == 0
    assert "note: Softmax at the end is part of the loss\n" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["mlp", "--input", "8by8"], "Input must be a shape such as 1x8x8 or 64, not '8by8'"),
        (["mlp", "--input", "64"], "mlp: shape of the input must not be given, the model has its"),
        (["nonsense"], "model must be FILE.onnx, FILE.py:NAME or one of"),
        (["no\nsuch.py:x"], "no such.py: must be a file that exists"),
    ],
)
def test_one_line_for_what_is_wrong(shown, arguments, expected):
    status, out, err = shown(*arguments)
    assert (status, out, len(err)) == (2, "", 1)
    assert err[0].startswith(f"panther import: error: {expected}")


def test_nan_in_a_file(tmp_path, shown):
    model = to_onnx(MODELS["mlp"](1))
    for tensor in model.graph.initializer:
        if tensor.name == "linear_0.bias":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(32, np.nan, np.float32),
                                                         tensor.name))  # fmt: skip
    onnx.save(model, tmp_path / "net.onnx")
    status, _, err = shown(str(tmp_path / "net.onnx"))
    assert status == 2
    assert err == [
        "panther import: error: net.onnx:Gemm.linear_0: linear_0: bias must be finite, not nan"
    ]
