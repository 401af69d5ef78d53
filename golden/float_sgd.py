"""The comparison: plain SGD in float64 of the same network, first weights and schedule."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.data import Dataset
from golden.train import Progress, TrainConfig, epoch_order, initial_weights

Reals = NDArray[np.float64]


class FloatTrainer:
    """The network of :class:`golden.train.Trainer` without any rounding, clipping or crossbar.

    Parameters
    ----------
    config : TrainConfig
        Mode, CRS period and crossbars do not matter here.

    Attributes
    ----------
    weights : list of ndarray of float64, shape (inputs + 1, outputs)
        The last row holds the biases.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        fraction = config.formats.weight_fraction
        self.weights = [np.ldexp(w, -fraction) for w in initial_weights(config)]
        self.lr = config.lr

    def forward(self, x: Reals) -> tuple[list[Reals], Reals]:
        """Inputs of every layer, with the 1.0 of the bias, and the logits.

        Parameters
        ----------
        x : ndarray of float64, shape (examples, inputs)
        """
        inputs, y = [], x
        for layer, w in enumerate(self.weights):
            fed = np.ones((len(y), w.shape[0]))
            fed[:, :-1] = np.maximum(y, 0) if layer else y
            inputs.append(fed)
            y = fed @ w
        return inputs, y

    def batch(self, x: Reals, labels: Any) -> None:
        """One step with the gradient of some examples, at the rate of a full batch."""
        inputs, y = self.forward(x)
        u = np.exp(y - y.max(axis=1, keepdims=True))
        e = u / u.sum(axis=1, keepdims=True)
        e[np.arange(len(e)), labels] -= 1
        rate = self.lr / self.config.batch
        for layer in range(len(self.weights) - 1, -1, -1):
            below = (
                (e @ self.weights[layer].T)[:, :-1] * (inputs[layer][:, :-1] > 0) if layer else e
            )
            self.weights[layer] -= rate * (inputs[layer].T @ e)
            e = below

    def step(self, x: Reals, label: int) -> None:
        """:meth:`batch` of one example, with vectors instead of matrices of one row."""
        inputs, y = [], x
        for layer, w in enumerate(self.weights):
            fed = np.ones(w.shape[0])
            fed[:-1] = np.maximum(y, 0) if layer else y
            inputs.append(fed)
            y = fed @ w
        u = np.exp(y - y.max())
        e = u / u.sum()
        e[label] -= 1
        rate = self.lr / self.config.batch
        for layer in range(len(self.weights) - 1, -1, -1):
            below = (self.weights[layer] @ e)[:-1] * (inputs[layer][:-1] > 0) if layer else e
            self.weights[layer] -= rate * np.outer(inputs[layer], e)
            e = below

    def fit(self, data: Dataset, progress: Progress | None = None) -> list[float]:
        """Train for all epochs; see :meth:`golden.train.Trainer.fit`."""
        fraction = self.config.formats.activation.fraction
        x = np.ldexp(data.train_x, -fraction)
        test_x = np.ldexp(data.test_x, -fraction)
        accuracy = []
        for epoch in range(self.config.epochs):
            self.lr = self.config.rate_of(epoch)
            order = epoch_order(self.config, epoch, len(x))
            for start in range(0, len(x), self.config.batch):
                chosen = order[start : start + self.config.batch]
                if self.config.batch == 1:
                    self.step(x[chosen[0]], int(data.train_y[chosen[0]]))
                else:
                    self.batch(x[chosen], data.train_y[chosen])
                if progress is not None:
                    progress(epoch * len(x) + start + len(chosen), self.config.epochs * len(x))
            accuracy.append(self.evaluate(test_x, data.test_y))
        return accuracy

    def evaluate(self, x: Reals, labels: Any) -> float:
        """Share of the examples whose class has the greatest logit."""
        return float(np.mean(self.forward(x)[1].argmax(axis=1) == labels))
