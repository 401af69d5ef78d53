"""Small networks and data for runs on nodes that simulate fast."""

import numpy as np

from panther.compiler.builder import Model


def two_layers():
    """8-6-4."""
    model = Model((8,), name="two-layers", seed=1)
    model.input.linear(6).relu().linear(4).softmax_cross_entropy()
    return model


def pictures():
    """Two convolutions and a linear layer for pictures of 6 x 6."""
    model = Model((1, 6, 6), name="pictures", seed=1)
    x = model.input.conv2d(3, 2, bias=False).relu().conv2d(4, 2, bias=False).relu()
    x.max_pool(2).flatten().linear(4, bias=False).softmax_cross_entropy()
    return model


def large_map():
    """A convolution whose map does not fit 64 KiB."""
    model = Model((1, 24, 24), name="large-map", seed=1)
    x = model.input.conv2d(80, 3, padding=1).relu().max_pool(6).max_pool(4)
    x.flatten().linear(4).softmax_cross_entropy()
    return model


def local_errors():
    """8-6-4, both layers with losses of their own, and no product by transposed weights."""
    model = Model((8,), name="local-errors", seed=1)
    hidden = model.input.linear(6).relu()
    hidden.linear(4, feedback=True).softmax_cross_entropy()
    hidden.detach().linear(4).softmax_cross_entropy()
    return model


def examples(model, count=45, tests=20, seed=3):
    """Training examples and labels, test examples and labels: real numbers, not quite random."""
    rng = np.random.default_rng(seed)
    shape = model.input.shape
    x = rng.random((count + tests, *shape))
    labels = x.reshape(len(x), -1)[:, :4].argmax(axis=1)
    return x[:count], labels[:count], x[count:], labels[count:]


def wide():
    """More channels than a crossbar has columns, in all that works on pixels; two losses."""
    model = Model((5, 4, 3), name="wide", seed=1)
    x = model.input.conv2d(130, 2).relu().max_pool(2, padding=(1, 0))
    x = x.avg_pool(2, stride=1, padding=1).relu()
    x = (x + x).flatten().linear(7)
    x.softmax_cross_entropy()
    x.tanh().linear(150).mse()
    return model
