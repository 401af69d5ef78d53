from dataclasses import replace

import numpy as np

from golden.float_sgd import FloatTrainer
from golden.train import TrainConfig


def loss(weights, x, labels):
    y = x
    for layer, w in enumerate(weights):
        fed = np.maximum(y, 0) if layer else y
        y = fed @ w[:-1] + w[-1]
    y = y - y.max(axis=1, keepdims=True)
    return np.sum(np.log(np.exp(y).sum(axis=1)) - y[np.arange(len(y)), labels])


def test_step_follows_the_gradient_of_the_loss():
    config = TrainConfig(layers=(5, 4, 3), mode="lazy", batch=3, lr=0.3)
    trainer = FloatTrainer(config)
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((3, 5)), np.array([0, 2, 1])
    before = [w.copy() for w in trainer.weights]
    trainer.batch(x, labels)
    for layer, w in enumerate(before):
        for index in np.ndindex(w.shape):
            high, low = [v.copy() for v in before], [v.copy() for v in before]
            high[layer][index] += 1e-6
            low[layer][index] -= 1e-6
            gradient = (loss(high, x, labels) - loss(low, x, labels)) / 2e-6
            change = trainer.weights[layer][index] - w[index]
            assert abs(change + 0.1 * gradient) < 1e-7


def test_one_example_is_a_batch_of_one():
    config = TrainConfig(layers=(5, 4, 3))
    left, right = FloatTrainer(config), FloatTrainer(replace(config, mode="lazy"))
    x = np.random.default_rng(0).standard_normal(5)
    left.step(x, 2)
    right.batch(x[np.newaxis], [2])
    for a, b in zip(left.weights, right.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-15)
