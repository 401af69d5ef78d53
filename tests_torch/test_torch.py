"""PyTorch models onto the graph; ``make frontends`` runs this in an environment of its own."""

import inspect
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from panther.cli import main
from panther.compiler.builder import Model, location
from panther.compiler.canonicalise import canonicalise
from panther.compiler.graph import Graph, ModelError, Op
from panther.compiler.graph_interpreter import run_graph
from panther.compiler.models import MODELS
from panther.frontends.onnx import from_onnx
from panther.frontends.torch import from_torch
from tests.panther.compiler.random_graphs import random_graph
from tests.panther.frontends.onnx_files import to_onnx

STATISTICS = ("mean", "variance")


def tensor(array):
    return nn.Parameter(torch.tensor(np.asarray(array), dtype=torch.float32))


class Rebuilt(nn.Module):
    """A graph, node after node, in PyTorch's functions."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.held = nn.ParameterDict(
            {key.replace(".", "-"): tensor(value) for key, value in graph.weights.items()}
        )
        for node in graph.nodes:
            if node.op == Op.BATCH_NORM:
                self.register_buffer(f"{node.name}-mean", torch.zeros(node.shape[0]))
                self.register_buffer(f"{node.name}-variance", torch.ones(node.shape[0]))

    def forward(self, x):
        values = {"input_0": x}
        for node in self.graph.nodes[1:]:
            taken = [values[name] for name in node.inputs]
            weights = [self.held[key.replace(".", "-")] for key in node.tensors]
            if node.op in (Op.SOFTMAX_CROSS_ENTROPY, Op.MSE):
                return taken[0]
            window = {"stride": node.stride, "padding": node.padding}
            if node.op == Op.CONV2D:
                y = functional.conv2d(*taken, *weights, **window)
            elif node.op == Op.LINEAR:
                y = functional.linear(*taken, *weights)
            elif node.op == Op.BATCH_NORM:
                mean, variance = (getattr(self, f"{node.name}-{key}") for key in STATISTICS)
                y = functional.batch_norm(*taken, mean, variance, *weights, eps=0.0)
            elif node.op == Op.MAX_POOL:
                y = functional.max_pool2d(*taken, node.kernel, **window)
            elif node.op == Op.AVG_POOL:
                y = functional.avg_pool2d(*taken, node.kernel, **window)
            elif node.op == Op.GLOBAL_AVG_POOL:
                y = functional.adaptive_avg_pool2d(*taken, 1)
            elif node.op == Op.FLATTEN:
                y = torch.flatten(*taken, 1)
            elif node.op == Op.ADD:
                y = taken[0] + taken[1]
            elif node.op == Op.DETACH:
                y = taken[0].detach()
            else:
                y = {Op.RELU: torch.relu, Op.SIGMOID: torch.sigmoid, Op.TANH: torch.tanh}[node.op](
                    *taken
                )
            values[node.name] = y
        raise AssertionError("no loss")


def loss_of(graph):
    return "mse" if graph.losses[0].op == Op.MSE else "softmax"


def computes_the_same(module, graph, after=lambda y, axis: y):
    x = torch.randn(3, *graph.nodes[0].shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = module.double()(x.double()).numpy()
    found = run_graph(graph, x.double().numpy())[graph.losses[0].inputs[0]]
    found = after(torch.tensor(found), 1).numpy()
    assert np.allclose(found, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(60))
def test_random_graph(seed):
    graph = random_graph(seed)
    module = Rebuilt(graph).eval()
    assert from_torch(module, graph.nodes[0].shape, loss=loss_of(graph)) == graph


@pytest.mark.parametrize("seed", range(20))
def test_random_graph_computes_what_torch_does(seed):
    graph = random_graph(seed)
    computes_the_same(Rebuilt(graph).eval(), graph)


class Cnn(nn.Module):
    """As people write it: layers as members, some functions, some in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(inplace=True))
        self.second = nn.Conv2d(8, 16, 3, padding="same")
        self.drop = nn.Dropout(0.3)
        self.pool = nn.MaxPool2d(2)
        self.end = nn.Linear(256, 10)

    def forward(self, x):
        x = functional.relu_(self.second(self.first(x)))
        x = self.drop(self.pool(x))
        return self.end(x.view(x.size(0), -1))


def like(graph, module):
    """Give a module the weights of a graph, in their order."""
    with torch.no_grad():
        for value, parameter in zip(graph.weights.values(), module.parameters(), strict=True):
            parameter.copy_(torch.tensor(value))
    return module.eval()


def test_all_front_ends_yield_the_same(tmp_path):
    ours = MODELS["cnn"](7)
    draw = np.random.default_rng(7)  # torch's exporter leaves out biases of 0
    weights = {key: draw.normal(size=w.shape).astype(np.float32) for key, w in ours.weights.items()}
    graph = Graph("cnn", ours.nodes, weights)
    module = like(graph, Cnn())
    from_module = from_torch(module, (1, 8, 8))
    (tmp_path / "hand.onnx").write_bytes(to_onnx(graph).SerializeToString())
    torch.onnx.export(module, (torch.zeros(2, 1, 8, 8),), tmp_path / "net.onnx", verbose=False)
    assert from_module == graph
    assert from_onnx(tmp_path / "hand.onnx") == graph
    assert from_onnx(tmp_path / "net.onnx") == graph
    computes_the_same(module, graph)
    own = inspect.getsourcelines(Cnn.forward)[1]
    assert from_module["conv2d_1"].source == location(__file__, own + 1)
    assert from_module["max_pool_0"].source == location(__file__, own + 2)
    assert from_module["linear_0"].source == location(__file__, own + 3)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.short = nn.Conv2d(2, 4, 1, bias=False)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.end = nn.Linear(4, 3)

    def forward(self, x):
        y = functional.relu(self.norm(self.conv(x)))
        y += self.short(x)
        return functional.log_softmax(self.end(torch.flatten(self.mean(y), 1)), dim=1)


def test_residual_with_batch_norm(tmp_path):
    torch.manual_seed(3)
    module = Residual()
    for value in (module.norm.running_mean, module.norm.running_var, module.norm.weight):
        nn.init.uniform_(value, 0.5, 2)
    module.eval()
    graph = from_torch(module, (2, 5, 6))
    assert [node.name for node in graph.nodes] == [
        "input_0", "conv2d_0", "batch_norm_0", "relu_0", "conv2d_1", "add_0", "global_avg_pool_0",
        "flatten_0", "linear_0", "softmax_cross_entropy_0",
    ]  # fmt: skip
    assert graph.notes == ("log_softmax at the end is part of the loss",)
    file = tmp_path / "net.onnx"
    torch.onnx.export(module, (torch.zeros(2, 2, 5, 6),), file, verbose=False)
    # the exporter has folded the batch norm itself
    theirs, their_weights = canonicalise(from_onnx(file))
    network, weights = canonicalise(graph)
    assert [replace(node, source="") for node in theirs.nodes] == [
        replace(node, source="") for node in network.nodes
    ]
    for name, value in weights.items():
        assert np.allclose(their_weights[name], value, rtol=1e-5, atol=1e-6)
    computes_the_same(module, graph, torch.log_softmax)


def test_mean_instead_of_pool():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.end = nn.Linear(2, 3)

        def forward(self, x):
            return self.end(x.mean((2, 3)))

    module = Net().eval()
    model = Model((2, 4, 4))
    weight, bias = (p.detach().numpy() for p in module.parameters())
    model.input.global_avg_pool().flatten().linear(3, weight=weight, bias=bias).mse()
    assert from_torch(module, (2, 4, 4), loss="mse") == model.graph()


class Block(nn.Module):
    """One layer and then a function that is under test."""

    def __init__(self, function, layer=None) -> None:
        super().__init__()
        self.layer = layer or nn.Linear(8, 8)
        self.function = function

    def forward(self, x):
        return self.function(self.layer(x))


def in_place_behind_a_view(y):
    other = y.view(-1, 8)
    y.relu_()
    return other + y


def in_place_behind_all_that_is_used(y):
    other = y.detach()
    y.relu_()
    return other + other


def raises(y):
    raise KeyError("no such thing")


def branches(y):
    if y.sum() > 0:
        return y
    return -y


MAP = {"layer": nn.Conv2d(2, 4, 3), "shape": (2, 6, 6)}


@pytest.mark.parametrize(
    ("function", "options", "expected"),
    [
        (lambda y: functional.gelu(y), {}, "gelu_0: gelu is not supported; supported: linear, con"),
        (lambda y: y * 2, {}, "mul_0: mul is not supported"),
        (lambda y: torch.add(y, y, alpha=2), {}, "add_0: add: alpha must be 1, not 2"),
        (lambda y: y + 1, {}, "add_0: must take tensors that come from the model's input"),
        (lambda y: torch.softmax(y, 1) + y, {}, "softmax must be the last operation"),
        (lambda y: torch.softmax(y, 0), {}, "softmax must be over the classes"),
        (lambda y: y.view(-1), {}, "reshaping must flatten every example to a vector"),
        (lambda y: y.view(1, -1), {}, "to (1, 16) (a batch of 2)"),
        (lambda y: functional.dropout(y, 0.5, True), {}, "dropout must be in eval mode: call"),
        (in_place_behind_a_view, {}, "relu_0: an operation in place on a tensor of which another"),
        (in_place_behind_all_that_is_used, {}, "relu_0: an operation in place on a tensor of"),
        (raises, {}, "model raises KeyError: 'no such thing'"),
        (branches, {}, "what the model does must not depend on the values of its input"),
        (lambda y: (y, y), {}, "model must take one tensor and return one, not 1 and 2"),
        (lambda y: functional.max_pool2d(y, 3, 2, ceil_mode=True), MAP, "max_pool: ceil_mode is"),
        (lambda y: functional.max_pool2d(y, 2, dilation=2), MAP, "dilation must be 1, not (2, 2)"),
        (lambda y: functional.avg_pool2d(y, 2, padding=1, count_include_pad=False), MAP,
         "avg_pool: count_include_pad must be True, or padding 0"),
        (lambda y: functional.avg_pool2d(y, 2, divisor_override=3), MAP, "divisor_override is not"),
        (lambda y: functional.adaptive_avg_pool2d(y, 2), MAP, "output size must be 1, not [2, 2]"),
        (lambda y: y.mean(1), MAP, "mean must be over height and width"),
        (lambda y: functional.conv2d(y, torch.ones(4, 2, 1, 1), groups=2), MAP,
         "conv2d: groups must be 1, not 2"),
        (lambda y: functional.conv2d(y, torch.ones(4, 4, 2, 2), dilation=2), MAP,
         "conv2d: dilation must be 1, not (2, 2)"),
    ],
)  # fmt: skip
def test_what_is_refused(capfd, function, options, expected):
    shape = options.get("shape", (8,))
    with pytest.raises(ModelError, match=re.escape(expected)) as error:
        from_torch(Block(function, options.get("layer")).eval(), shape)
    if "must take one tensor" not in expected:
        # torch notes the lines of forward methods, Python those of what raises
        forward = inspect.getsourcelines(Block.forward)[1] + 1
        raised = function in (raises, branches)
        line = function.__code__.co_firstlineno + 1 if raised else forward
        assert error.value.problems[0].startswith(f"{location(__file__, line)}: ")
    assert capfd.readouterr() == ("", "")


def in_place_without_using_the_result(y):
    y.relu_()
    return y + y


@pytest.mark.parametrize(
    ("function", "layer", "shape", "names"),
    [
        (in_place_without_using_the_result, None, (8,),
         ["input_0", "linear_0", "relu_0", "add_0", "mse_0"]),
        (lambda y: functional.max_pool2d(y, 2).flatten(1), nn.Conv2d(2, 4, 3), (2, 6, 6),
         ["input_0", "conv2d_0", "max_pool_0", "flatten_0", "mse_0"]),
    ],
)  # fmt: skip
def test_ways_to_write_it(function, layer, shape, names):
    module = Block(function, layer).eval()
    graph = from_torch(module, shape, loss="mse")
    assert [node.name for node in graph.nodes] == names
    assert all(node.inputs in ((), (before.name,), (before.name,) * 2)
               for before, node in pairwise(graph.nodes))  # fmt: skip
    computes_the_same(module, graph)


def test_source_is_the_innermost_line_of_the_user():
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Block(torch.relu)

        def forward(self, x):
            return self.inner(x)

    graph = from_torch(Outer().eval(), (8,))
    line = inspect.getsourcelines(Block.forward)[1] + 1
    assert graph["relu_0"].source == location(__file__, line)


def test_module_that_was_not_frozen():
    with pytest.raises(ModelError, match="batch_norm_0: batch norm must be frozen: call") as error:
        from_torch(Residual().train(), (2, 5, 6))
    assert len(error.value.problems) == 1


def test_problem_inside_a_module_of_torch_names_that():
    module = nn.Sequential(nn.Linear(8, 4), nn.Sequential(nn.GELU())).eval()
    with pytest.raises(ModelError, match=re.escape("gelu_0: module 1.0: gelu is not supported")):
        from_torch(module, (8,))


def test_shapes_that_do_not_chain():
    with pytest.raises(ModelError, match="Sequential: model raises RuntimeError: "):
        from_torch(nn.Sequential(nn.Linear(8, 4), nn.Linear(5, 4)).eval(), (8,))


def test_shared_weights():
    layer = nn.Linear(8, 8)
    with pytest.raises(ModelError, match="weights shared with another layer are not supported"):
        from_torch(nn.Sequential(layer, nn.ReLU(), layer).eval(), (8,))


def test_nan():
    module = nn.Sequential(nn.Linear(8, 4)).eval()
    with torch.no_grad():
        module[0].weight[1, 2] = torch.nan
    with pytest.raises(ModelError, match="linear_0: weight must be finite, not nan"):
        from_torch(module, (8,))


def test_nothing_to_train():
    with pytest.raises(ModelError, match="ReLU: module must have parameters to be trained"):
        from_torch(nn.ReLU(), (8,))


def test_bias_added_by_hand():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.bias = tensor(np.ones((3, 4))), tensor([1, 2, 3])

        def forward(self, x):
            return functional.linear(x, self.weight) + self.bias

    model = Model((4,))
    model.input.linear(3, weight=np.ones((3, 4)), bias=[1, 2, 3]).softmax_cross_entropy()
    assert from_torch(Net().eval(), (4,)) == model.graph()


TEXT = """\
import torch
from torch import nn

net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()


def make():
    return net


class Bad(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(8, 8)

    def forward(self, x):
        y = torch.special.erf(self.l(x))
        return self.l(y)


bad = Bad().eval()
"""


@pytest.fixture
def shown(tmp_path, monkeypatch, capfd):
    """Call ``panther import``; return status, stdout and the lines of stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(TEXT)

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["import", *arguments])
        out, err = capfd.readouterr()
        return end.value.code, out, err.splitlines()

    return call


@pytest.mark.parametrize("name", ["net", "make"])
def test_command(shown, name):
    status, out, err = shown(f"net.py:{name}", "--input", "1x8x8", "--check", "--loss", "mse")
    assert (status, err) == (0, [])
    assert "linear_0   linear     10     65 x 10   yes        -" in out.splitlines()


def test_command_needs_a_shape(shown):
    assert shown("net.py:net") == (
        2, "",
        ["panther import: error: net.py:net: shape of the input must be given for a torch module"],
    )  # fmt: skip


def test_command_names_all_problems(shown):
    status, out, err = shown("net.py:bad", "--input", "8", "--check")
    assert status == 2
    assert [line.partition(" supported")[0] for line in err] == [
        "panther import: error: net.py:17: special_erf_0: special_erf is not",
        "panther import: error: net.py:18: linear_1: weights shared with another layer are not",
    ]
    rows = [line.split() for line in out.splitlines()]
    assert ["linear_0", "linear", "8", "9", "x", "8", "yes", "net.py:17"] in rows
    assert ["special_erf_0", "special_erf", "8", "-", "no", "net.py:17"] in rows
