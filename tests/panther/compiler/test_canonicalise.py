"""The network of a graph computes what the graph does."""

import math
import re

import numpy as np
import pytest

from golden.float_network import FloatTrainer
from golden.network import checked_weights
from panther.arch.network import Kind, TrainPlan
from panther.compiler.builder import Model
from panther.compiler.canonicalise import arrange, canonicalise
from panther.compiler.graph import ModelError, Op
from panther.compiler.graph_interpreter import run_graph
from panther.compiler.models import MODELS
from tests.panther.compiler.random_graphs import random_graph


def agree(graph, examples=3):
    network, weights = canonicalise(graph)
    checked_weights(network, weights)
    x = np.random.default_rng(1).normal(size=(examples, *graph.nodes[0].shape))
    wanted = run_graph(graph, x)
    found = FloatTrainer(network, weights, TrainPlan()).forward(arrange(network, x))
    for loss in graph.losses:
        name = loss.inputs[0]
        made = network[loss.name].inputs[0]
        assert np.allclose(found[made].reshape(examples, -1), wanted[name], rtol=1e-9, atol=1e-9)
    compared = 0
    for node in graph.nodes:
        folded = any(user.op == Op.BATCH_NORM for user in graph.users(node.name))
        if len(node.shape) == 3 and node.name in found and not folded and node.op != Op.INPUT:
            value = found[node.name].transpose(0, 3, 1, 2)
            assert np.allclose(value, wanted[node.name], rtol=1e-9, atol=1e-9), node.name
            compared += 1
    return network, compared


def test_random_graphs():
    compared, kinds = 0, set()
    for seed in range(150):
        network, more = agree(random_graph(seed))
        compared += more
        kinds |= {node.kind for node in network.nodes}
    assert compared > 250
    assert kinds == set(Kind)


@pytest.mark.parametrize("name", MODELS)
def test_named_networks(name):
    graph = MODELS[name](1)
    network, _ = agree(graph, examples=1)
    assert network.losses[-1].kind == Kind.SOFTMAX
    assert all(node.source == graph[node.name].source != "" for node in network.nodes)


def crossbars(name):
    network, _ = canonicalise(MODELS[name](1))
    sizes = [(network.rows(node), node.shape[2]) for node in network.matrices]
    return sizes, sum(math.ceil(rows / 128) * math.ceil(columns / 128) for rows, columns in sizes)


def test_sizes_of_the_papers_networks():
    sizes, count = crossbars("mlp-l4")
    assert sizes == [(1024, 256), (256, 512), (512, 512), (512, 10)]
    assert count == 16 + 8 + 16 + 4
    sizes, count = crossbars("vgg16")
    assert len(sizes) == 15
    assert count == 958


def test_rows_of_a_convolution_and_of_what_was_flattened():
    model = Model((2, 3, 4))
    draw = np.random.default_rng(1)
    kernels, matrix = draw.normal(size=(5, 2, 2, 3)), draw.normal(size=(7, 5 * 2 * 2))
    x = model.input.conv2d(5, (2, 3), weight=kernels, bias=[1, 2, 3, 4, 5])
    x.flatten().linear(7, weight=matrix, bias=False).mse()
    network, weights = canonicalise(model.graph())
    conv, linear = weights["conv2d_0"], weights["linear_0"]
    assert conv.shape == (2 * 3 * 2 + 1, 5)
    assert network.rows(network["conv2d_0"]) == 2 * 3 * 4 + 1
    assert conv[(1 * 3 + 2) * 2 + 1, 4] == kernels[4, 1, 1, 2]
    assert conv[-1].tolist() == [1, 2, 3, 4, 5]
    assert network["linear_0"].kernel == (2, 2)
    assert linear[(1 * 2 + 0) * 5 + 3, 6] == matrix[6, (3 * 2 + 1) * 2 + 0]


def test_input_that_is_only_flattened_is_a_vector():
    model = Model((2, 3, 4))
    model.input.flatten().linear(3).mse()
    network, _ = canonicalise(model.graph())
    assert network.nodes[0].shape == (1, 1, 24)
    examples = np.arange(48.0).reshape(2, 2, 3, 4)
    assert np.array_equal(arrange(network, examples), examples.reshape(2, 1, 1, 24))
    assert np.array_equal(arrange(network, examples.reshape(2, 24))[1, 0, 0], np.arange(24.0, 48))
    agree(model.graph())


def test_order_of_examples():
    network, _ = canonicalise(MODELS["vgg16"](1))
    examples = np.random.default_rng(0).normal(size=(2, 3, 32, 32))
    assert np.array_equal(arrange(network, examples)[1, 4, 5], examples[1, :, 4, 5])
    for shape in ((2, 32, 32, 3), (2, 3072), (2, 3, 32)):
        with pytest.raises(ValueError, match="examples must be channels x height x width, 3x32x32"):
            arrange(network, np.zeros(shape))


def test_batch_norm_makes_the_bias_it_needs():
    model = Model((2, 3, 3))
    x = model.input.conv2d(2, 2, bias=False).batch_norm([2, 3], [5, 7])
    x.flatten().linear(2).mse()
    network, weights = canonicalise(model.graph())
    assert network["conv2d_0"].bias
    assert weights["conv2d_0"][-1].tolist() == [5, 7]
    agree(model.graph())


def _shared(model):
    x = model.input.conv2d(2, 3, padding=1)
    return (x + x.batch_norm([1, 1], [0, 0])).flatten().linear(2)


def _two_orders(model):
    x = model.input.conv2d(2, 3, padding=1).flatten()
    return x + x.linear(32)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda m: m.input.batch_norm([1, 2], [3, 4]).flatten().linear(2),
         "batch_norm_0: batch norm must come right after linear or conv2d to be folded into it"),
        (_shared,
         "batch norm cannot be folded into conv2d_0, whose result other nodes take, too"),
        (lambda m: m.input.conv2d(3, 2).flatten(),
         "global average pool yields, not a flattened map of 3x3 pixels"),
        (_two_orders,
         "add_0: a flattened map cannot be added to a vector in another order of words"),
        (lambda m: m.input.global_avg_pool().flatten(), "at least one matrix to be trained"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained(build, expected):
    model = Model((2, 4, 4))
    build(model).mse()
    with pytest.raises(ModelError, match=re.escape(expected)):
        canonicalise(model.graph())


def test_all_that_is_wrong_at_once():
    model = Model((2, 4, 4))
    x = model.input.batch_norm([1, 2], [3, 4]).relu().conv2d(3, 2)
    y = model.input.tanh().batch_norm([1, 2], [3, 4]).conv2d(3, 2)
    (x + y).flatten().linear(2).mse()
    with pytest.raises(ModelError) as error:
        canonicalise(model.graph())
    assert [re.search(r"\w+_\d", line)[0] for line in error.value.problems] == [
        "batch_norm_0", "batch_norm_1",
    ]  # fmt: skip
    assert len(error.value.entries) == len(model.graph().nodes)
