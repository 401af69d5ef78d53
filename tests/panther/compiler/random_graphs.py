"""Random small graphs with odd sizes, strides, paddings and residuals."""

import numpy as np

from panther.compiler.builder import Model, Tensor
from panther.compiler.graph import Graph


def random_graph(seed: int, *, detach: bool = True) -> Graph:
    """A network of a few layers on a small map or a vector.

    Weights, biases and scales are random numbers of float32. Detach is what ONNX does not have.
    """
    draw = np.random.default_rng(seed)
    if draw.random() < 0.25:
        model = Model((int(draw.integers(1, 20)),), name=f"random{seed}", seed=seed)
        x = model.input
    else:
        sizes = (int(draw.integers(1, 6)), *(int(n) for n in draw.integers(3, 10, 2)))
        model = Model(sizes, name=f"random{seed}", seed=seed)
        x = model.input
        for _ in range(draw.integers(0, 5)):
            x = _on_map(draw, x, detach)
        x = x.global_avg_pool().flatten() if draw.random() < 0.3 else x.flatten()
        if draw.random() < 0.3:
            x = x.relu()
    for _ in range(draw.integers(0, 3)):
        x = _function(draw, _linear(draw, x, int(draw.integers(1, 12))))
        if draw.random() < 0.3:
            x = _linear(draw, x, x.shape[0]) + x
    x = _linear(draw, x, int(draw.integers(2, 11)))
    x.softmax_cross_entropy() if draw.random() < 0.8 else x.mse()
    return model.graph()


def _reals(draw: np.random.Generator, *shape: int) -> np.ndarray:
    return draw.normal(size=shape).astype(np.float32)


def _pair(draw: np.random.Generator, low: int, high: int) -> tuple[int, int]:
    return int(draw.integers(low, high + 1)), int(draw.integers(low, high + 1))


def _function(draw: np.random.Generator, x: Tensor) -> Tensor:
    return (x.relu, x.sigmoid, x.tanh)[draw.integers(3)]()


def _normed(draw: np.random.Generator, x: Tensor) -> Tensor:
    if draw.random() < 0.3:
        return x.batch_norm(_reals(draw, x.shape[0]), _reals(draw, x.shape[0]))
    return x


def _linear(draw: np.random.Generator, x: Tensor, features: int) -> Tensor:
    bias = _reals(draw, features) if draw.random() < 0.7 else False
    return _normed(draw, x.linear(features, bias=bias))


def _conv(draw: np.random.Generator, x: Tensor, channels: int, kernel, stride, padding) -> Tensor:
    bias = _reals(draw, channels) if draw.random() < 0.7 else False
    y = x.conv2d(channels, kernel, stride=stride, padding=padding, bias=bias)
    return _normed(draw, y)


def _on_map(draw: np.random.Generator, x: Tensor, detach: bool) -> Tensor:
    channels, height, width = x.shape
    kernel = (int(draw.integers(1, min(height, 4) + 1)), int(draw.integers(1, min(width, 4) + 1)))
    # PyTorch: padding of a pool is at most half its kernel
    padding = tuple(int(draw.integers(0, size // 2 + 1)) for size in kernel)
    stride = _pair(draw, 1, 3)
    choice = draw.integers(6)
    if choice < 2:
        x = _conv(draw, x, int(draw.integers(1, 7)), kernel, stride, padding)
        return _function(draw, x) if draw.random() < 0.7 else x
    if choice == 2:
        y = _function(draw, _conv(draw, x, channels, 3, 1, 1))
        return y + x if draw.random() < 0.5 else x + y
    if choice == 3:
        return x.max_pool(kernel, stride=stride, padding=padding)
    if choice == 4:
        return x.avg_pool(kernel, stride=stride, padding=padding)
    return x.detach() if detach else x.tanh()
