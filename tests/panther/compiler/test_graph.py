"""The graph as data and as text, and the draft that puts it together."""

import re
from dataclasses import replace

import numpy as np
import pytest

from panther.compiler.graph import Draft, Graph, ModelError, Node, Op, parse, to_text
from panther.compiler.models import MODELS
from tests.panther.compiler.random_graphs import random_graph


@pytest.fixture(scope="module")
def cnn():
    return MODELS["cnn"](1)


def changed(graph, which, **fields):
    nodes = tuple(replace(node, **fields) if node.name == which else node for node in graph.nodes)
    return Graph(graph.name, nodes, graph.weights, graph.notes)


@pytest.mark.parametrize("seed", range(40))
def test_text_says_everything_but_weights(seed):
    graph = random_graph(seed)
    again = parse(to_text(graph), graph.weights)
    assert again == graph
    assert to_text(again) == to_text(graph)
    assert [node.source for node in again.nodes] == [node.source for node in graph.nodes]


def test_text(cnn):
    graph = Graph("a b", cnn.nodes, cnn.weights, ("one", "two"))
    text = to_text(graph)
    lines = text.splitlines()
    assert lines[0] == "graph a b"
    assert re.fullmatch("weights sha256 [0-9a-f]{64}", lines[1])
    assert lines[2:4] == ["note one", "note two"]
    assert re.fullmatch(
        r"conv2d_1 = conv2d\(relu_0, kernel=3x3, stride=1x1, padding=1x1, bias=yes\) -> 16x8x8"
        r"  @ .*models\.py:\d+",
        lines[7],
    )
    assert parse(text, cnn.weights).notes == ("one", "two")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("graph cnn", "grph cnn", "line 1: must begin with 'graph', not 'grph cnn'"),
        ("weights sha256", "weights md5", "line 2: must begin with 'weights sha256', not"),
        ("weights sha256 ", "weights sha256 0", "weights must be those with the digest 0"),
        ("kernel=3x3", "kernel=3", "line 4: 'kernel=3' is not known"),
        ("bias=yes", "bias=maybe", "line 4: 'bias=maybe' is not known"),
        ("stride=1x1", "strude=1x1", "line 4: 'strude=1x1' is not known"),
        ("relu_0 = relu(", "relu_0 = gelu(", "line 5: 'gelu' is not a valid Op"),
        ("relu_0 = relu(", "relu_0 relu(", "line 5: must be name = operation(inputs) -> shape"),
        ("-> 8x8x8", "-> 8x8x9", "conv2d_0: shape must be 8x8x8, not 8x8x9"),
    ],
)
def test_text_that_is_none(cnn, old, new, expected):
    text = re.sub(" +@ .*", "", to_text(cnn))
    assert old in text
    with pytest.raises(ModelError, match=re.escape(expected)):
        parse(text.replace(old, new, 1), cnn.weights)


def test_equal_are_those_that_compute_the_same(cnn):
    other = Graph("other", tuple(replace(node, source="x:1") for node in cnn.nodes), cnn.weights)
    assert other == cnn
    assert MODELS["cnn"](1) == cnn
    assert MODELS["cnn"](2) != cnn
    assert cnn != "cnn"
    weights = {key: value.copy() for key, value in cnn.weights.items()}
    weights["conv2d_1.bias"][3] = 1e-30
    assert Graph("cnn", cnn.nodes, weights) != cnn
    assert Graph("cnn", cnn.nodes, weights).digest() != cnn.digest()


def test_digest_counts_names_and_shapes():
    def digest(key, shape):
        graph = Graph("x", MODELS["mlp"](1).nodes, MODELS["mlp"](1).weights)
        object.__setattr__(graph, "weights", {key: np.zeros(shape)})
        return graph.digest()

    assert len({digest("a", (2, 3)), digest("b", (2, 3)), digest("a", (3, 2))}) == 3


def test_weights_cannot_be_written_to(cnn):
    with pytest.raises(ValueError, match="read-only"):
        cnn.weights["linear_0.weight"][0, 0] = 1
    with pytest.raises(TypeError):
        cnn.weights["linear_0.weight"] = np.zeros((10, 256))


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("relu_0", {"shape": (8, 8)}, "relu_0: shape must be 8x8x8, not 8x8"),
        ("relu_0", {"inputs": ("relu_1",)}, "input must be a tensor that comes before, not"),
        ("relu_0", {"inputs": ()}, "relu_0: inputs must be 1, not 0"),
        ("relu_1", {"name": "relu_0"}, "relu_0: name must be unique"),
        ("relu_1", {"name": "conv2d_7"}, "conv2d_7: name must be relu_ and a number"),
        ("relu_1", {"source": "a\nb"}, "source must be one line"),
        ("relu_1", {"op": Op.INPUT, "name": "input_1"}, "first node, and no other"),
        ("input_0", {"shape": (1, 0, 8)}, "size must be an integer in the range"),
        ("input_0", {"shape": (8, 8)}, "shape must be channels x height x width or features"),
        ("input_0", {"shape": ()}, "input_0: shape must not be empty"),
        ("conv2d_0", {"stride": (0, 1)}, "conv2d_0: stride must be an integer in the range"),
        ("conv2d_0", {"padding": (3, 1)}, "padding must be an integer in the range [0, 2], not 3"),
        ("conv2d_0", {"kernel": (3, 11), "padding": (1, 1)}, "kernel must fit its input, 8 wide"),
        ("conv2d_0", {"kernel": (3, 1), "padding": (1, 0)}, "weight must be 8x1x3x1 to fit its"),
        ("conv2d_0", {"bias": False}, "weights must belong to a node, not 'conv2d_0.bias'"),
        ("linear_0", {"inputs": ("max_pool_0",)}, "input must be a vector (flatten it first)"),
        ("linear_0", {"shape": (9,)}, "linear_0: weight must be 9x256 to fit its input"),
        ("flatten_0", {"op": Op.ADD, "name": "add_0", "inputs": ("relu_0", "relu_1")},
         "add_0: shapes must be equal, not 8x8x8 and 16x8x8"),
    ],
)  # fmt: skip
def test_graph_that_is_none(cnn, name, fields, expected):
    with pytest.raises(ModelError, match=re.escape(expected)):
        changed(cnn, name, **fields)


def test_message_begins_with_the_source(cnn):
    with pytest.raises(ModelError, match=re.escape("net.py:3: relu_0: shape must be")):
        changed(cnn, "relu_0", source="net.py:3", shape=(1, 1, 1))


def test_graph_needs_a_loss(cnn):
    with pytest.raises(ModelError, match="graph must have a loss at its end: softmax or mse"):
        Graph("x", cnn.nodes[:-1], cnn.weights)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_must_be_finite(cnn, bad):
    weights = {key: value.copy() for key, value in cnn.weights.items()}
    weights["conv2d_1.weight"][3, 2, 1, 0] = bad
    with pytest.raises(ModelError, match=f"conv2d_1: weight must be finite, not {bad}"):
        Graph("x", cnn.nodes, weights)


def test_weights_must_be_there(cnn):
    weights = {key: value for key, value in cnn.weights.items() if key != "conv2d_1.bias"}
    with pytest.raises(ModelError, match=re.escape("conv2d_1: weights must be ['bias', 'weight']")):
        Graph("x", cnn.nodes, weights)


# ------------------------------------------------------------------------------- draft


def linear(draft, x, features, source=""):
    weight = np.full((features, draft.shape(x)[0]), 0.5)
    return draft.add(Op.LINEAR, x, weights={"weight": weight}, source=source)


def test_names_and_order_do_not_depend_on_how_it_was_written():
    def first(draft):
        a = draft.add(Op.RELU, linear(draft, draft.input, 4))
        b = draft.add(Op.TANH, linear(draft, draft.input, 4))
        return a, b

    def second(draft):
        b = linear(draft, draft.input, 4)
        draft.add(Op.RELU, b)  # nobody needs it
        a = linear(draft, draft.input, 4)
        b = draft.add(Op.TANH, b)
        return draft.add(Op.RELU, a), b

    graphs = []
    for branches in (first, second):
        draft = Draft("x", (3,))
        draft.loss(draft.add(Op.ADD, *branches(draft)), "mse")
        graphs.append(draft.finish())
    assert graphs[0] == graphs[1]
    names = "input_0 linear_0 relu_0 linear_1 tanh_0 add_0 mse_0"
    assert [node.name for node in graphs[1].nodes] == names.split()


def test_a_deep_graph_needs_no_deep_stack():
    draft = Draft("x", (3,))
    x = linear(draft, draft.input, 3)
    for _ in range(1500):
        x = draft.add(Op.RELU, x)
    draft.loss(x, "mse")
    assert len(draft.finish().nodes) == 1503


def test_every_problem_is_found_once():
    draft = Draft("x", (1, 8, 8))
    x = draft.refuse("gelu", "gelu is not supported", source="a.py:1", shape=(1, 8, 8))
    x = draft.add(Op.MAX_POOL, x, kernel=(9, 9), source="a.py:2")
    x = draft.add(Op.RELU, x, source="a.py:3")
    draft.loss(x, "softmax", source="a.py:4")
    y = draft.add(Op.FLATTEN, draft.input)
    draft.add(Op.LINEAR, y, weights={"weight": np.zeros((3, 5))}, source="a.py:5")
    with pytest.raises(ModelError) as error:
        draft.finish()
    assert error.value.problems == (
        "a.py:1: gelu_0: gelu is not supported",
        "a.py:2: max_pool_0: kernel must fit its input, 8 high with padding 0, not 9",
        "a.py:5: linear_0: weight must be 3x64 to fit its input, not 3x5",
    )
    assert str(error.value) == "\n".join(error.value.problems)
    assert [entry.node.name for entry in error.value.entries] == [
        "input_0", "gelu_0", "max_pool_0", "relu_0", "softmax_cross_entropy_0", "flatten_0",
        "linear_0",
    ]  # fmt: skip


def test_input_must_be_used():
    draft = Draft("x", (4,))
    draft.loss(draft.input, "softmax")
    assert draft.finish().nodes[1].inputs == ("input_0",)
    draft = Draft("x", (4,))
    with pytest.raises(ModelError, match="model must have a loss at its end: softmax or mse"):
        draft.finish()


def test_unknown_loss():
    draft = Draft("x", (4,))
    with pytest.raises(ModelError, match="loss must be one of softmax, mse, not 'hinge'"):
        draft.loss(draft.input, "hinge")


def test_softmax_belongs_to_its_loss():
    draft = Draft("x", (4,))
    end = draft.softmax(draft.input, last=True, theirs="Softmax")
    draft.loss(end, "mse")
    with pytest.raises(ModelError, match="loss must be softmax behind a softmax, not mse"):
        draft.finish()
    draft = Draft("x", (4,))
    draft.loss(draft.softmax(draft.input, last=True, theirs="Softmax"), "softmax")
    assert draft.finish().notes == ("Softmax at the end is part of the loss",)
    draft = Draft("x", (4,))
    draft.loss(draft.softmax(draft.input, last=False, theirs="Softmax"), "softmax")
    with pytest.raises(ModelError, match="Softmax_0: softmax must be the last operation"):
        draft.finish()


def test_bias_of_its_own():
    draft = Draft("x", (4,))
    x = linear(draft, draft.input, 3)
    assert not draft.add_bias(x, [1, 2])
    assert not draft.add_bias(x, [1, 2, np.nan])
    assert draft.add_bias(x, [1, 2, 3])
    assert not draft.add_bias(x, [1, 2, 3])
    draft.loss(x, "mse")
    graph = draft.finish()
    assert graph.weights["linear_0.bias"].tolist() == [1, 2, 3]
    assert not draft.add_bias(x, [1, 2, 3])


def test_bias_only_where_nobody_took_the_result():
    draft = Draft("x", (4,))
    x = linear(draft, draft.input, 3)
    draft.add(Op.RELU, x)
    assert not draft.add_bias(x, [1, 2, 3])
    assert not draft.add_bias(draft.input, [1, 2, 3, 4])


def test_node_says_which_weights_it_has():
    def node(op, bias=False):
        return Node(name=f"{op}_2", op=op, bias=bias).tensors

    assert node(Op.LINEAR) == ("linear_2.weight",)
    assert node(Op.CONV2D, True) == ("conv2d_2.weight", "conv2d_2.bias")
    assert node(Op.BATCH_NORM) == ("batch_norm_2.scale", "batch_norm_2.shift")
    assert node(Op.RELU) == ()
