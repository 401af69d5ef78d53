"""First pass: a front end's graph as the network that is trained, and its first weights.

Tensors become channels last. Linear layers and convolutions become matrices; flattening becomes
the order of the rows of what follows; a frozen batch norm goes into the weights before it; a
global average pool becomes an average pool. Nodes that stay keep their names and sources.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from panther.arch.network import Kind, Network, Node, Shape
from panther.compiler import graph as l0
from panther.compiler.graph import Graph, ModelError, Op, Reals

KINDS = {
    Op.RELU: Kind.RELU,
    Op.SIGMOID: Kind.SIGMOID,
    Op.TANH: Kind.TANH,
    Op.MAX_POOL: Kind.MAX_POOL,
    Op.AVG_POOL: Kind.AVG_POOL,
    Op.GLOBAL_AVG_POOL: Kind.AVG_POOL,
    Op.ADD: Kind.ADD,
    Op.DETACH: Kind.DETACH,
    Op.SOFTMAX_CROSS_ENTROPY: Kind.SOFTMAX,
    Op.MSE: Kind.MSE,
}
"""Operations that stay what they are."""


@dataclass(frozen=True)
class _Tensor:
    """Where a tensor of the graph lies in the network."""

    name: str
    shape: Shape
    """Height, width, channels of the network's tensor."""
    flat: bool
    """The graph sees a vector, its words in the order (channel, y, x)."""


def canonicalise(graph: Graph) -> tuple[Network, dict[str, Reals]]:
    """The network of a graph, and the first weights of every matrix.

    Weights are real numbers of shape (rows, output channels): rows in the order of
    :class:`~panther.arch.network.Network`, without those of padded channels, and the bias last.

    An input that is only ever flattened becomes a vector; :func:`arrange` puts examples in order.

    Raises
    ------
    ModelError
        If the graph cannot be trained as a network, one line for every reason.
    """
    problems: dict[str, str] = {}
    nodes: dict[str, Node] = {}
    weights: dict[str, Reals] = {}
    tensors: dict[str, _Tensor] = {}
    for node in graph.nodes:
        taken = [tensors[name] for name in node.inputs if name in tensors]
        if len(taken) != len(node.inputs):
            continue  # behind what has been refused
        try:
            if node.op == Op.FLATTEN:
                tensors[node.name] = _Tensor(taken[0].name, taken[0].shape, True)
            elif node.op == Op.BATCH_NORM:
                _fold(graph, node, nodes, weights)
                tensors[node.name] = taken[0]
            else:
                made = _node(graph, node, taken)
                nodes[node.name] = made
                flat = len(node.shape) == 1 and made.shape[:2] != (1, 1)
                tensors[node.name] = _Tensor(node.name, made.shape, flat)
                if made.kind == Kind.MATRIX:
                    weights[node.name] = _rows(graph, node, made, taken[0])
        except ValueError as error:
            problems[node.name] = str(error)
    if problems:
        entries = [
            l0.Entry(node=node, theirs=node.op, problem=problems.get(node.name, ""))
            for node in graph.nodes
        ]
        raise ModelError([entry.line for entry in entries if entry.problem], entries)
    try:
        network = Network(tuple(nodes.values()))
        return _without_idle_feedback(network), weights
    except ValueError as error:
        raise ModelError([str(error)]) from None


def arrange(network: Network, examples: Reals) -> Reals:
    """Examples as the network takes them.

    Parameters
    ----------
    examples : ndarray of shape (examples, channels, height, width) or (examples, features)
        As the graph takes them.

    Returns
    -------
    ndarray of shape (examples, height, width, channels)

    Raises
    ------
    ValueError
        If they are not of the graph's shape.
    """
    height, width, channels = network.nodes[0].shape
    if (height, width) == (1, 1) and math.prod(examples.shape[1:]) == channels:
        return examples.reshape(-1, 1, 1, channels)
    if examples.shape[1:] != (channels, height, width):
        raise ValueError(
            f"examples must be channels x height x width, {channels}x{height}x{width}, "
            f"not {l0.shown_shape(examples.shape[1:])}"
        )
    return examples.transpose(0, 2, 3, 1)


def _node(graph: Graph, node: l0.Node, taken: list[_Tensor]) -> Node:
    kernel, stride, padding = node.kernel, node.stride, node.padding
    kind = KINDS.get(node.op, Kind.MATRIX)
    if node.op == Op.INPUT:
        kind = Kind.INPUT
        users = graph.users(node.name)
        if len(node.shape) == 1 or all(user.op == Op.FLATTEN for user in users):
            shape = (1, 1, math.prod(node.shape))
        else:
            shape = _last(node.shape)
    elif node.op in l0.LOSSES.values():
        shape = taken[0].shape
        if shape[:2] != (1, 1):
            raise ValueError("a loss must take what linear or a global average pool yields, "
                             f"not a flattened map of {shape[0]}x{shape[1]} pixels")  # fmt: skip
    elif node.op == Op.LINEAR:
        shape, kernel = (1, 1, node.shape[0]), taken[0].shape[:2]
    elif node.op in l0.WINDOWED:
        shape = _last(node.shape)
    elif node.op == Op.GLOBAL_AVG_POOL:
        shape, kernel = _last(node.shape), taken[0].shape[:2]
    else:
        shape = taken[0].shape
        if any(other.shape != shape for other in taken):
            raise ValueError("a flattened map cannot be added to a vector in another order of "
                             "words; add before flattening")  # fmt: skip
    return Node(
        name=node.name, kind=kind, inputs=tuple(tensor.name for tensor in taken), shape=shape,
        kernel=kernel, stride=stride, padding=padding, bias=node.bias, feedback=node.feedback,
        source=node.source,
    )  # fmt: skip


def _without_idle_feedback(network: Network) -> Network:
    """No second matrix where no error goes back."""
    used = network.needs_error()
    return Network(
        tuple(
            replace(node, feedback=node.feedback and not used.isdisjoint(node.inputs))
            for node in network.nodes
        )
    )


def _last(shape: l0.Shape) -> Shape:
    channels, height, width = shape
    return height, width, channels


def _rows(graph: Graph, node: l0.Node, made: Node, taken: _Tensor) -> Reals:
    """A matrix as it lies on crossbars: rows for window and channel, then for the bias."""
    weight = graph.weights[f"{node.name}.weight"]
    channels = taken.shape[2]
    # linear: a flat input's words are in the order of its channels first
    weight = weight.reshape(len(weight), channels, *made.kernel)
    matrix = weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))
    if node.bias:
        matrix = np.vstack([matrix, graph.weights[f"{node.name}.bias"]])
    return matrix


def _fold(
    graph: Graph, node: l0.Node, nodes: dict[str, Node], weights: dict[str, Reals]
) -> None:  # fmt: skip
    """Multiply a batch norm into the matrix before it."""
    name = node.inputs[0]
    before = graph[name]
    if before.op not in (Op.LINEAR, Op.CONV2D):
        raise ValueError(
            f"batch norm must come right after linear or conv2d to be folded into it, "
            f"not after {before.op} {name}"
        )
    if len(graph.users(name)) > 1:
        raise ValueError(
            f"batch norm cannot be folded into {name}, whose result other nodes take, too"
        )
    scale, shift = (graph.weights[key] for key in node.tensors)
    folded = weights[name] * scale
    if not before.bias:
        folded = np.vstack([folded, np.zeros_like(shift)])
    folded[-1] += shift
    weights[name] = folded
    nodes[name] = replace(nodes[name], bias=True)
