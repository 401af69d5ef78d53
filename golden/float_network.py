"""The comparison: any network trained in float64, without rounding, clipping or crossbars.

Plain numpy: windows are copied into rows, products are matrix products over a whole batch.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from golden.data import Dataset
from golden.fixed import as_integers
from golden.network import OnEpoch, checked_weights
from golden.train import Progress, epoch_order
from panther.arch.network import FUNCTIONS, LOSSES, POOLS, Kind, Network, Node, TrainPlan

Reals = NDArray[np.float64]
EXAMPLES = 256
"""Predicted at once."""


class FloatTrainer:
    """The network of :class:`golden.network.NetworkTrainer` in float64.

    Parameters
    ----------
    network : Network
        Matrices with feedback are like others here.
    weights : mapping of str to array_like of float
        Shape (kernel height * kernel width * channels + bias, output channels) each.
    plan : TrainPlan
        Formats, crossbars and variant do not matter here.

    Attributes
    ----------
    weights : dict of str to ndarray of float64
    """

    def __init__(self, network: Network, weights: Mapping[str, Any], plan: TrainPlan) -> None:
        self.network = network
        self.plan = plan
        self.weights = {name: w.copy() for name, w in checked_weights(network, weights).items()}
        self._needs_error = network.needs_error()
        self._history: deque[dict[str, Reals]] = deque(maxlen=plan.history)
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Take the learning rate of an epoch, counted from 0."""
        self._rate = self.plan.rate_of(epoch) / self.plan.batch

    def forward(self, x: Any) -> dict[str, Reals]:
        """Every tensor, shape (examples, height, width, channels).

        Parameters
        ----------
        x : array_like of float, shape (examples, words) or (examples, height, width, channels)
        """
        return self._forward(np.asarray(x, np.float64))[0]

    def _forward(self, x: Reals) -> tuple[dict[str, Reals], dict[str, Reals]]:
        tensors: dict[str, Reals] = {}
        operands: dict[str, Reals] = {}
        for node in self.network.nodes:
            if node.kind in LOSSES:
                continue
            taken = [tensors[name] for name in node.inputs]
            if node.kind == Kind.INPUT:
                y = x.reshape(len(x), *node.shape)
            elif node.kind == Kind.MATRIX:
                operands[node.name] = _rows(node, taken[0])
                y = (operands[node.name] @ self.weights[node.name]).reshape(len(x), *node.shape)
            else:
                y = _simple(node, taken)
            tensors[node.name] = y
        return tensors, operands

    def errors(self, x: Any, labels: Any) -> dict[str, Reals]:
        """Gradient of each example's loss with respect to every tensor with a matrix before it."""
        return self._errors(self.forward(x), as_integers("Labels", labels))

    def _errors(self, tensors: dict[str, Reals], labels: NDArray[np.int64]) -> dict[str, Reals]:
        errors: dict[str, Reals] = {}
        for node in reversed(self.network.nodes):
            if node.kind in LOSSES:
                back = _loss(node, tensors[node.inputs[0]], labels)
            elif node.name not in self._needs_error:
                continue
            else:
                e = errors.setdefault(node.name, np.zeros_like(tensors[node.name]))
                if node.kind == Kind.DETACH or self._needs_error.isdisjoint(node.inputs):
                    continue
                back = self._back(node, tensors, e)
            for name in self._needs_error.intersection(node.inputs):
                part = back * node.inputs.count(name)
                errors[name] = errors[name] + part if name in errors else part
        return errors

    def _back(self, node: Node, tensors: dict[str, Reals], e: Reals) -> Reals:
        y = tensors[node.name]
        if node.kind == Kind.RELU:
            return e * (y > 0)
        if node.kind == Kind.SIGMOID:
            return e * y * (1 - y)
        if node.kind == Kind.TANH:
            return e * (1 - y * y)
        if node.kind == Kind.ADD:
            return e
        x = tensors[node.inputs[0]]
        kernel, channels = node.kernel, x.shape[3]
        if node.kind == Kind.MATRIX:
            w = self.weights[node.name]
            rows = e.reshape(-1, node.shape[2]) @ w[: len(w) - node.bias].T
            parts = rows.reshape(*e.shape[:3], *kernel, channels)
        elif node.kind == Kind.AVG_POOL:
            parts = np.broadcast_to(e[:, :, :, None, None, :], (*e.shape[:3], *kernel, channels))
            parts = parts / (kernel[0] * kernel[1])
        else:
            flat = _windows(node, x, -np.inf).reshape(*e.shape[:3], -1, channels)
            parts = np.zeros(flat.shape)
            first = flat.argmax(axis=3)[:, :, :, None]
            np.put_along_axis(parts, first, e[:, :, :, None], axis=3)
            parts = parts.reshape(*e.shape[:3], *kernel, channels)
        return _folded(node, parts, x.shape)

    def gradients(self, x: Any, labels: Any) -> dict[str, Reals]:
        """Gradient of the sum of some examples' losses with respect to the weights."""
        tensors, operands = self._forward(np.asarray(x, np.float64))
        errors = self._errors(tensors, as_integers("Labels", labels))
        return {
            node.name: operands[node.name].T @ errors[node.name].reshape(-1, node.shape[2])
            for node in self.network.matrices
        }

    def batch(self, x: Any, labels: Any) -> None:
        """One step with the gradient of some examples, at the rate of a full batch."""
        steps = {name: self._rate * g for name, g in self.gradients(x, labels).items()}
        for name, w in self.weights.items():
            w -= steps[name]
        if self.plan.history:
            for older in self._history:
                for name, w in self.weights.items():
                    older[name] *= self.plan.momentum
                    w -= older[name]
            self._history.appendleft(steps)

    def fit(
        self, data: Dataset, progress: Progress | None = None, on_epoch: OnEpoch | None = None
    ) -> list[float]:
        """Train for all epochs; see :meth:`golden.network.NetworkTrainer.fit`."""
        network = self.network
        fraction = self.plan.fraction(network, network.nodes[0].name)
        x, test_x = np.ldexp(data.train_x, -fraction), np.ldexp(data.test_x, -fraction)
        accuracy, done = [], 0
        for epoch in range(self.plan.epochs):
            self.start_epoch(epoch)
            order = epoch_order(self.plan, epoch, len(x))
            for start in range(0, len(x), self.plan.batch):
                chosen = order[start : start + self.plan.batch]
                self.batch(x[chosen], data.train_y[chosen])
                done += len(chosen)
                if progress is not None:
                    progress(done, self.plan.epochs * len(x))
            accuracy.append(self.evaluate(test_x, data.test_y))
            if on_epoch is not None:
                on_epoch(epoch, accuracy[-1])
        return accuracy

    def evaluate(self, x: Any, labels: Any) -> float:
        """Share of the examples whose class has the greatest output."""
        parts = [
            self.forward(x[start : start + EXAMPLES])[self.network.output].argmax(axis=3).ravel()
            for start in range(0, len(x), EXAMPLES)
        ]
        return float(np.mean(np.concatenate(parts) == labels))


def _windows(node: Node, x: Reals, outside: float) -> Reals:
    """Shape (examples, output height, output width, kernel height, kernel width, channels)."""
    (top, left), (down, across) = node.padding, node.stride
    if top or left:
        edges = ((0, 0), (top, top), (left, left), (0, 0))
        x = np.pad(x, edges, constant_values=outside)
    windows = sliding_window_view(x, node.kernel, (1, 2))
    found: Reals = windows[:, ::down, ::across].transpose(0, 1, 2, 4, 5, 3)
    return found


def _rows(node: Node, x: Reals) -> Reals:
    """The windows of all pixels of all examples as rows, 1.0 for the bias last."""
    windows = _windows(node, x, 0.0)
    pixels = windows.shape[0] * windows.shape[1] * windows.shape[2]
    words = windows.size // pixels
    if not node.bias:
        return windows.reshape(pixels, words)
    rows = np.empty((pixels, words + 1))
    rows[:, :-1].reshape(windows.shape, copy=False)[...] = windows
    rows[:, -1] = 1.0
    return rows


def _simple(node: Node, taken: list[Reals]) -> Reals:
    x = taken[0]
    if node.kind == Kind.RELU:
        return np.maximum(x, 0)
    if node.kind in FUNCTIONS:
        return (1 + np.tanh(x / 2)) / 2 if node.kind == Kind.SIGMOID else np.tanh(x)
    if node.kind == Kind.ADD:
        return x + taken[1]
    if node.kind in POOLS:
        greatest = node.kind == Kind.MAX_POOL
        windows = _windows(node, x, -np.inf if greatest else 0.0)
        pooled: Reals = windows.max(axis=(3, 4)) if greatest else windows.mean(axis=(3, 4))
        return pooled
    return x  # of detach


def _loss(node: Node, y: Reals, labels: NDArray[np.int64]) -> Reals:
    right = np.zeros(y.shape)
    right[np.arange(len(y)), 0, 0, labels] = 1
    e: Reals
    if node.kind == Kind.MSE:
        e = (y - right) * (2 / y.shape[3])
    else:
        u = np.exp(y - y.max(axis=3, keepdims=True))
        e = u / u.sum(axis=3, keepdims=True) - right
    return e


def _folded(node: Node, parts: Reals, shape: tuple[int, ...]) -> Reals:
    """Sum of what windows give back to each word; ``parts`` as :func:`_windows` yields them."""
    (top, left), (down, across) = node.padding, node.stride
    whole = np.zeros((shape[0], shape[1] + 2 * top, shape[2] + 2 * left, shape[3]))
    height, width = parts.shape[1:3]
    for ky in range(node.kernel[0]):
        for kx in range(node.kernel[1]):
            rows = slice(ky, ky + (height - 1) * down + 1, down)
            columns = slice(kx, kx + (width - 1) * across + 1, across)
            whole[:, rows, columns] += parts[:, :, :, ky, kx]
    return whole[:, top : top + shape[1], left : left + shape[2]]
