"""Networks for tests: the digits', and small random ones that reach every kind of node."""

from dataclasses import replace

import numpy as np

from panther.arch.network import (
    FUNCTION_FRACTION,
    FUNCTIONS,
    LOSSES,
    POOLS,
    Kind,
    Network,
    Node,
    TrainPlan,
)
from panther.arch.presets import PAPER

FOUR_TILES = replace(PAPER, rows=8, columns=4)
"""Even small matrices take several tiles."""


class Builder:
    """Adds nodes one after another."""

    def __init__(self, shape):
        self.nodes = [Node(name="x", kind=Kind.INPUT, shape=shape)]

    def shape(self, name):
        return next(node.shape for node in self.nodes if node.name == name)

    def add(self, kind, *inputs, channels=None, **window):
        """The new node's name."""
        height, width, depth = self.shape(inputs[0])
        if window:
            (down, across), (top, left) = window["stride"], window["padding"]
            height = (height + 2 * top - window["kernel"][0]) // down + 1
            width = (width + 2 * left - window["kernel"][1]) // across + 1
        extra = {key: window.pop(key) for key in ("bias", "feedback") if key in window}
        name = f"{kind}{len(self.nodes)}"
        shape = (height, width, channels or depth)
        self.nodes.append(Node(name=name, kind=kind, inputs=inputs, shape=shape, **window, **extra))
        return name

    def linear(self, source, channels, *, bias=True, feedback=False):
        kernel = self.shape(source)[:2]
        return self.add(
            Kind.MATRIX, source, channels=channels, kernel=kernel, stride=(1, 1), padding=(0, 0),
            bias=bias, feedback=feedback,
        )  # fmt: skip

    def network(self):
        return Network(tuple(self.nodes))


def mlp(layers=(64, 32, 10)):
    build, last = Builder((1, 1, layers[0])), "x"
    for channels in layers[1:-1]:
        last = build.add(Kind.RELU, build.linear(last, channels))
    build.add(Kind.SOFTMAX, build.linear(last, layers[-1]))
    return build.network()


def cnn():
    """Digits: two convolutions, a pool and a linear layer."""
    build, last = Builder((8, 8, 1)), "x"
    conv = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1), "bias": True}
    for channels in (8, 16):
        last = build.add(Kind.RELU, build.add(Kind.MATRIX, last, channels=channels, **conv))
    last = build.add(Kind.MAX_POOL, last, kernel=(2, 2), stride=(2, 2), padding=(0, 0))
    build.add(Kind.SOFTMAX, build.linear(last, 10))
    return build.network()


def digits_plan(network, **changes):
    """A plan that trains the digits as well as float64 does.

    With weights of 27 fraction bits, not 28, updates seldom reach the slices without room for
    carries.
    """
    return TrainPlan(
        error={node.name: 14 for node in network.nodes},
        weight={node.name: 27 for node in network.matrices},
        **changes,
    )


def first_weights(network, seed, scale=1.0):
    """Normal with standard deviation ``sqrt(2 / inputs)``; biases are 0."""
    rng = np.random.default_rng(seed)
    weights = {}
    for node in network.matrices:
        inputs = node.kernel[0] * node.kernel[1] * network[node.inputs[0]].shape[2]
        real = rng.standard_normal((inputs, node.shape[2])) * np.sqrt(2 / inputs) * scale
        weights[node.name] = np.vstack([real, np.zeros((int(node.bias), node.shape[2]))])
    return weights


def random_network(rng, *, detach=True):
    """Up to nine nodes and one or two heads on an image of odd sizes."""
    build = Builder(tuple(int(n) for n in rng.integers((3, 3, 1), (7, 7, 6))))
    names = ["x", conv(build, rng, "x")]
    kinds = [Kind.MATRIX, *POOLS, *FUNCTIONS, Kind.RELU, Kind.ADD, Kind.ADD]
    for _ in range(int(rng.integers(3, 8))):
        source = names[-1] if rng.random() < 0.7 else names[int(rng.integers(len(names)))]
        kind = kinds[int(rng.integers(len(kinds)))]
        if kind == Kind.ADD:
            other = [name for name in names if build.shape(name) == build.shape(source)]
            names.append(build.add(kind, source, other[int(rng.integers(len(other)))]))
        elif kind == Kind.MATRIX:
            names.append(conv(build, rng, source))
        elif kind in POOLS:
            names.append(build.add(kind, source, **window(build, rng, source)))
        else:
            names.append(build.add(kind, source))
    heads = [names[-1]]
    if detach and rng.random() < 0.5:
        heads.append(build.add(Kind.DETACH, names[int(rng.integers(1, len(names)))]))
    for source in heads:
        channels = int(rng.integers(2, 6))
        last = build.linear(
            source, channels, bias=bool(rng.integers(2)), feedback=bool(rng.integers(2))
        )
        losses = [LOSSES[int(rng.integers(2))]] if rng.random() < 0.7 else LOSSES
        for kind in losses:
            build.add(kind, last)
    return build.network()


def window(build, rng, source):
    """A window that fits, at times with strides and padding."""
    found = {"kernel": [], "stride": [], "padding": []}
    for size in build.shape(source)[:2]:
        kernel = int(rng.integers(1, 4))
        padding = int(rng.integers(0, kernel))
        found["kernel"].append(min(kernel, size + 2 * padding))
        found["stride"].append(int(rng.integers(1, 3)))
        found["padding"].append(min(padding, found["kernel"][-1] - 1))
    return {key: tuple(value) for key, value in found.items()}


def conv(build, rng, source):
    return build.add(
        Kind.MATRIX, source, channels=int(rng.integers(1, 7)), bias=bool(rng.integers(2)),
        feedback=bool(rng.random() < 0.3), **window(build, rng, source),
    )  # fmt: skip


def random_plan(rng, network, variant):
    """Formats that fit the network, drawn anew for every class of tensors that shares one."""
    activation, error, weight = {}, {}, {}
    groups = {}  # of an error's format: functions hand it on, too
    for node in network.nodes:
        keeps = node.kind not in (Kind.MATRIX, Kind.INPUT)
        group = {node.name}.union(*(groups[name] for name in node.inputs if keeps))
        groups.update(dict.fromkeys(group, group))
    for group in {id(group): sorted(group) for group in groups.values()}.values():
        error.update(dict.fromkeys(group, int(rng.integers(10, 15))))
    for names in network.classes():
        functions = any(network[name].kind in FUNCTIONS for name in names)
        fraction = FUNCTION_FRACTION if functions else int(rng.integers(8, 16))
        activation.update(dict.fromkeys(names, fraction))
    for node in network.matrices:
        weight[node.name] = int(rng.integers(24, 29))
    momentum = {"momentum": 0.7, "history": int(rng.integers(1, 4))} if variant == "V2" else {}
    return TrainPlan(
        variant=variant, batch=1 if variant == "V1" else 2, lr=float(rng.choice([1, 0.1, 0.01])),
        crs_period=int(rng.integers(1, 20)), activation=activation, error=error, weight=weight,
        mcu=FOUR_TILES, **momentum,
    )  # fmt: skip
