"""What a graph computes, in float64: what every later pass is held against."""

import numpy as np

from panther.compiler.graph import LOSSES, WINDOWED, Graph, Op, Reals


def windows(
    x: Reals, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int],
    outside: float = 0.0,
) -> Reals:  # fmt: skip
    """Every window of images.

    Parameters
    ----------
    x : ndarray of shape (..., height, width)
    outside : float
        What lies around the image.

    Returns
    -------
    ndarray of shape (..., height, width, kernel height, kernel width)
    """
    around = [(0, 0)] * (x.ndim - 2) + [(n, n) for n in padding]
    wide = np.pad(x, around, constant_values=outside)
    every = np.lib.stride_tricks.sliding_window_view(wide, kernel, axis=(-2, -1))
    return every[..., :: stride[0], :: stride[1], :, :]


def sigmoid(x: Reals) -> Reals:
    """Without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def run_graph(graph: Graph, examples: Reals) -> dict[str, Reals]:
    """Every tensor of a graph.

    Parameters
    ----------
    examples : ndarray of shape (examples, channels, height, width) or (examples, features)
    """
    values: dict[str, Reals] = {}
    for node in graph.nodes:
        if node.op in LOSSES.values():
            continue
        taken = [values[name] for name in node.inputs]
        x = taken[0] if taken else examples
        weights = [graph.weights[key] for key in node.tensors]
        result = x
        if node.op == Op.LINEAR:
            result = x @ weights[0].T
        elif node.op in WINDOWED:
            outside = -np.inf if node.op == Op.MAX_POOL else 0.0
            cut = windows(x, node.kernel, node.stride, node.padding, outside)
            if node.op == Op.CONV2D:
                result = np.einsum("bcyxij,ocij->boyx", cut, weights[0], optimize=True)
            else:
                result = cut.max((-2, -1)) if node.op == Op.MAX_POOL else cut.mean((-2, -1))
        elif node.op == Op.BATCH_NORM:
            result = x * _channels(weights[0], x) + _channels(weights[1], x)
        elif node.op == Op.RELU:
            result = np.maximum(x, 0)
        elif node.op == Op.SIGMOID:
            result = sigmoid(x)
        elif node.op == Op.TANH:
            result = np.tanh(x)
        elif node.op == Op.GLOBAL_AVG_POOL:
            result = x.mean((-2, -1), keepdims=True)
        elif node.op == Op.FLATTEN:
            result = x.reshape(len(x), -1)
        elif node.op == Op.ADD:
            result = x + taken[1]
        if node.bias:
            result = result + _channels(weights[1], result)
        values[node.name] = result
    return values


def _channels(values: Reals, x: Reals) -> Reals:
    return values.reshape(-1, *[1] * (x.ndim - 2))
