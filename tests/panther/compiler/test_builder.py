"""Networks written down in Python."""

import inspect
import re

import numpy as np
import pytest

from panther.compiler.builder import Model, location
from panther.compiler.graph import ModelError


def here(offset):
    return inspect.currentframe().f_back.f_lineno + offset


def test_every_node_names_the_line_of_its_call():
    model = Model((2, 6, 6))
    first = here(-1)
    x = model.input.conv2d(3, 2)
    x = (
        x.relu()
        + x
    )  # fmt: skip
    x.flatten().linear(4).mse()
    graph = model.graph()
    lines = {node.name: int(node.source.rpartition(":")[2]) - first for node in graph.nodes}
    assert lines == {
        "input_0": 0, "conv2d_0": 2, "relu_0": 4, "add_0": 4, "flatten_0": 7, "linear_0": 7,
        "mse_0": 7,
    }  # fmt: skip
    assert {node.source.rpartition(":")[0] for node in graph.nodes} == {
        location(__file__, 0).rpartition(":")[0]
    }


def test_location_is_seen_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert location(str(tmp_path / "a" / "net.py"), 3) == "a/net.py:3"
    assert location("/elsewhere/net.py", 3) == "/elsewhere/net.py:3"


def test_first_weights():
    model = Model((50, 3, 3), seed=5)
    model.input.conv2d(40, (3, 3)).flatten().linear(300).mse()
    graph = model.graph()
    conv, linear = graph.weights["conv2d_0.weight"], graph.weights["linear_0.weight"]
    assert np.std(conv) == pytest.approx(np.sqrt(2 / 450), rel=0.02)
    assert np.std(linear) == pytest.approx(np.sqrt(2 / 40), rel=0.02)
    assert abs(np.mean(conv)) < 0.002
    assert np.array_equal(conv, conv.astype(np.float32))
    assert not graph.weights["conv2d_0.bias"].any()
    again = Model((50, 3, 3), seed=5)
    again.input.conv2d(40, 3).flatten().linear(300).mse()
    assert again.graph() == graph


def test_given_weights():
    model = Model((2,))
    weight, bias = [[1, 2], [3, 4], [5, 6]], [7, 8, 9]
    model.input.linear(3, weight=weight, bias=bias).linear(2, bias=False).mse()
    graph = model.graph()
    assert graph.weights["linear_0.weight"].tolist() == weight
    assert graph.weights["linear_0.bias"].tolist() == bias
    assert "linear_1.bias" not in graph.weights


def test_several_losses_and_what_learns_from_which():
    model = Model((4,))
    x = model.input.linear(3).relu()
    x.linear(2, bias=False).softmax_cross_entropy()
    x.detach().linear(2).softmax_cross_entropy()
    graph = model.graph()
    assert [node.inputs for node in graph.losses] == [("linear_1",), ("linear_2",)]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda m: m.input.linear(3), "linear_0: input must be a vector (flatten it first)"),
        (lambda m: m.input.conv2d(3, 9), "conv2d_0: kernel must fit its input, 8 high"),
        (lambda m: m.input.conv2d(3, (1, 2, 3)), "kernel must be an integer or a pair of them"),
        (lambda m: m.input.max_pool("2"), "kernel must be an integer or a pair of them, not '2'"),
        (lambda m: m.input.conv2d(0, 3), "conv2d: outputs must be a positive integer, not 0"),
        (lambda m: m.input.conv2d(2, 3, bias=[1, 2, 3]), "bias must be 2 to fit its input, not 3"),
        (lambda m: m.input.conv2d(2, 3, weight=[1]), "weight must be of shape (2, 2, 3, 3)"),
        (lambda m: m.input.batch_norm([1], [2]), "scale must be 2 to fit its input, not 1"),
        (lambda m: m.input.flatten() + m.input, "add_0: shapes must be equal, not 128 and 2x8x8"),
        (lambda m: m.input + Model((2, 8, 8)).input, "add: inputs must be tensors of one model"),
        (lambda m: m.input + 1, "add: inputs must be tensors of one model"),
        (lambda m: m.input.mse(), "mse_0: input must be a vector"),
        (lambda m: m.graph(), "model must have a loss at its end: softmax or mse"),
        (lambda m: Model((0,)), "input_0: size must be an integer in the range [1, 16777216]"),
        (lambda m: Model((8, 8)), "input_0: shape must be channels x height x width or features"),
    ],
)  # fmt: skip
def test_mistake_names_its_line(build, expected):
    with pytest.raises(ModelError, match=re.escape(expected)) as error:
        build(Model((2, 8, 8)))
    if "must have a loss" not in expected:
        assert str(error.value).startswith(f"{location(__file__, build.__code__.co_firstlineno)}: ")
