import re
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from golden.data import Dataset
from golden.fast import FastMatrix
from golden.train import MODES, TrainConfig, Trainer, epoch_order, initial_weights
from panther.arch.params import SliceParams
from panther.arch.presets import PAPER, TINY

ROOMY = replace(PAPER, slices=SliceParams(cell_bits=(11,) * 8))
"""Cells in which nothing saturates."""


def blobs(config, examples=60, seed=0):
    """Three well separated classes as activation words."""
    rng = np.random.default_rng(seed)
    centres = rng.random((3, config.layers[0]))
    labels = rng.integers(0, 3, examples)
    real = centres[labels] + 0.1 * rng.standard_normal((examples, config.layers[0]))
    x = np.rint(real * config.formats.activation.one).astype(np.int64)
    half = examples // 2
    return Dataset(x[:half], labels[:half], x[half:], labels[half:])


def test_network_learns():
    config = TrainConfig(layers=(12, 8, 3), epochs=8)
    accuracy = Trainer(config, FastMatrix).fit(blobs(config))
    assert len(accuracy) == 8
    assert accuracy[-1] == 1.0


def test_one_step_by_hand():
    config = TrainConfig(layers=(2, 2, 2), lr=1 / 8, params=ROOMY)
    trainer = Trainer(config, FastMatrix)
    w1, w2 = (matrix.weights for matrix in trainer.matrices)
    x, label = np.array([700, -300]), 1
    fed = np.array([700, -300, 1024])
    hidden = np.maximum((fed @ w1 + 2**27) >> 28, 0)
    hidden_fed = np.append(hidden, 1024)
    logits = (hidden_fed @ w2 + 2**27) >> 28
    trace = trainer.step(x, label)
    assert trace.logits.tolist() == [logits.tolist()]
    e2 = trace.errors[1][0]
    assert e2[1] < 0 < e2[0]
    e1 = ((w2 @ e2 + 2**27) >> 28)[:2] * (hidden > 0)
    assert trace.errors[0].tolist() == [e1.tolist()]
    # lr 1/8, five more fraction bits: times 4
    assert (trainer.matrices[1].weights == w2 - 4 * np.outer(hidden_fed, e2)).all()
    assert (trainer.matrices[0].weights == w1 - 4 * np.outer(fed, e1)).all()


@pytest.mark.parametrize("period", [1, 3, 100])
def test_lazy_equals_eager_equals_mini_batch_when_nothing_saturates(period):
    base = TrainConfig(layers=(12, 8, 3), params=ROOMY, batch=5, mode="lazy", crs_period=period)
    lazy = Trainer(base, FastMatrix)
    eager = Trainer(replace(base, mode="eager"), FastMatrix)
    data = blobs(base)
    plain = [w.copy() for w in initial_weights(base)]
    for start in range(0, 30, 5):
        x, labels = data.train_x[start : start + 5], data.train_y[start : start + 5]
        trace = lazy.batch(x, labels)
        eager.batch(x, labels)
        for layer, w in enumerate(plain):
            w += trace.inputs[layer].T @ trace.updates[layer]
            assert (lazy.matrices[layer].weights == w).all()
            assert (eager.matrices[layer].weights == w).all()
    assert not any(sum(matrix.counters.opa_saturated) for matrix in lazy.matrices + eager.written)


@pytest.mark.parametrize("mode", ["lazy", "eager"])
def test_batch_equals_its_examples_one_by_one(mode):
    config = TrainConfig(layers=(12, 8, 3), mode=mode, batch=5, lr=1 / 4, crs_period=3)
    data = blobs(config)
    whole, single = Trainer(config, FastMatrix), Trainer(config, FastMatrix)
    for start in (0, 5, 10):
        whole.batch(data.train_x[start : start + 5], data.train_y[start : start + 5])
        before = single.matrices[0].weights
        for i in range(start, start + 5):
            assert (single.matrices[0].weights == before).all()  # stale until the batch ends
            single.step(data.train_x[i], int(data.train_y[i]))
        assert (single.matrices[0].weights != before).any()
        for left, right in zip(whole.matrices, single.matrices, strict=True):
            assert (left.cells == right.cells).all()


def test_crs_comes_after_every_period_of_outer_products():
    calls = []

    class Watched(FastMatrix):
        def opa(self, x, e):
            calls.extend(["opa"] * len(x))
            super().opa(x, e)

        def crs(self):
            calls.append("crs")
            super().crs()

    config = TrainConfig(layers=(12, 3), mode="lazy", batch=5, crs_period=3)
    data = blobs(config)
    trainer = Trainer(config, Watched)
    trainer.batch(data.train_x[:5], data.train_y[:5])
    trainer.batch(data.train_x[5:10], data.train_y[5:10])
    assert calls == ["opa", "opa", "opa", "crs"] * 3 + ["opa"]
    calls.clear()
    trainer = Trainer(replace(config, mode="eager"), Watched)
    trainer.batch(data.train_x[:5], data.train_y[:5])
    assert calls == ["opa"] * 5 + ["crs"]


def test_training_is_a_function_of_the_seed():
    config = TrainConfig(layers=(12, 8, 3), epochs=1)
    data = blobs(config)
    cells = []
    for seed in (1, 1, 2):
        trainer = Trainer(replace(config, seed=seed), FastMatrix)
        trainer.fit(data)
        cells.append(trainer.matrices[0].cells)
    assert (cells[0] == cells[1]).all()
    assert (cells[0] != cells[2]).any()
    assert sorted(epoch_order(config, 0, 30)) == list(range(30))
    assert (epoch_order(config, 0, 30) != epoch_order(config, 1, 30)).any()


def test_schedule_scales_the_learning_rate_from_an_epoch_on():
    config = TrainConfig(lr=0.5, schedule=((4, 0.1), (2, 0.5)), epochs=6)
    assert [config.rate_of(epoch) for epoch in range(6)] == [0.5, 0.5, 0.25, 0.25, 0.05, 0.05]
    trainer = Trainer(config, FastMatrix)
    first = trainer.rate
    trainer.start_epoch(2)
    assert (trainer.rate.multiplier, trainer.rate.shift) == (first.multiplier, first.shift + 1)


def test_first_weights_are_canonical_he_weights_and_biases_zero():
    config = TrainConfig(layers=(400, 100, 10))
    first, second = initial_weights(config)
    assert first.shape == (401, 100)
    assert second.shape == (101, 10)
    assert not first[-1].any()
    assert abs(first[:-1].std() / 2**28 / np.sqrt(2 / 400) - 1) < 0.02


def test_progress_is_reported_after_every_batch():
    config = TrainConfig(layers=(12, 3), mode="lazy", batch=8, epochs=2)
    calls = []
    Trainer(config, FastMatrix).fit(blobs(config), lambda done, total: calls.append((done, total)))
    assert calls == [(n, 60) for n in (8, 16, 24, 30, 38, 46, 54, 60)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": (4,)}, r"Layers must be at least inputs and classes, not \(4,\)"),
        (
            {"layers": (4, 0)},
            r"Layer size must be .* range \[1, 2147483647\], not 0",
        ),
        ({"crs_period": 0}, r"CRS period must be an integer in the range \[1, 2147483647\], not 0"),
        ({"epochs": -1}, r"Epochs must be an integer in the range \[0, 2147483647\], not -1"),
        ({"mode": "fast"}, "Mode must be one of sgd, lazy, eager, not 'fast'"),
        ({"batch": 4}, "Batch must be 1 in mode sgd, not 4"),
        *(
            (
                {"lr": lr},
                r"Learning rate must be a number in the range \[2\*\*-64, 2\*\*64\], not "
                + re.escape(repr(lr)),
            )
            for lr in (float("nan"), float("inf"), 0.0, -1, 1e308, 5e-324, True, "x", None)
        ),
        ({"lr": 2.0**40}, r"Learning rate over batch must scale the error by .*"),
        ({"layers": 5}, "Layers must be a tuple or a list, not 5"),
        ({"layers": "64"}, "Layers must be a tuple or a list, not '64'"),
        (
            {"mode": "lazy", "batch": 10**400},
            r"Batch must be an integer in the range \[1, 2147483647\], not 10+\.\.\.0+",
        ),
        (
            {"seed": 1.5},
            r"Seed must be .* range \[0, 18446744073709551615\], not 1\.5",
        ),
        ({"mode": np.zeros(2)}, r"Mode must be one of sgd, lazy, eager, not array\(\[0\., 0\.\]\)"),
        ({"formats": None}, "Formats must be TrainFormats, not None"),
        ({"params": "PAPER"}, "Crossbars must be McuParams, not 'PAPER'"),
        ({"schedule": 5}, "Schedule must be a tuple or a list, not 5"),
        ({"schedule": (5,)}, "Entry 0 of schedule must be a tuple or a list, not 5"),
        (
            {"schedule": ((1, 0.5), (2,))},
            r"Entry 1 of schedule must be an epoch and a factor, not \(2,\)",
        ),
        (
            {"schedule": (("a", 0.5),)},
            r"Epoch of entry 0 of schedule must be .* range \[0, 2147483647\], not 'a'",
        ),
        (
            {"params": TINY},
            "Activation format must have the 8 operand bits of the crossbars, not 16",
        ),
        (
            {"schedule": ((0, 0.0),)},
            r"Factor of entry 0 of schedule must be a number in the range .*, not 0\.0",
        ),
        ({"schedule": ((9, 2.0**40),)}, r"Learning rate over batch must scale the error by .*"),
    ],
)
def test_configurations_that_cannot_train_are_refused(change, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        TrainConfig(**change)


def test_schedule_beyond_the_last_epoch_does_not_matter():
    assert TrainConfig(epochs=9, schedule=((9, 2.0**40),)).rate_of(8) == 1 / 32


def test_long_training_is_checked_at_once():
    assert TrainConfig(epochs=2**31 - 1, schedule=((10**9, 0.5),)).rate_of(10**9) == 1 / 64


numbers = st.integers() | st.integers(-2, 20) | st.floats() | st.sampled_from([10**400, True, None])
junk = st.recursive(
    numbers | st.text(max_size=5) | st.sampled_from(["sgd", "lazy", np.zeros((3, 3)), PAPER, TINY]),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
    max_leaves=9,
)
likely = {
    "layers": st.lists(numbers, max_size=4),
    "lr": numbers,
    "schedule": st.lists(st.tuples(numbers, numbers), max_size=3),
    "mode": st.sampled_from(MODES),
}
keywords = st.fixed_dictionaries(
    {},
    optional={field.name: junk | likely.get(field.name, numbers) for field in fields(TrainConfig)},
)


@given(keywords)
@example({"epochs": 2**40})
@example({"layers": [10**300]})
@example({"lr": 10**400})
@example({"mode": "lazy", "lr": 2.0**-20, "batch": 2**31 - 1})
def test_any_field_is_right_or_a_value_error(keywords):
    try:
        outcome = TrainConfig(**keywords)
    except ValueError as error:
        outcome = str(error)
    if isinstance(outcome, str):
        assert len(outcome.splitlines()) == 1
        assert len(outcome) < 250
    else:
        assert outcome.rate_of(0) > 0
        hash(outcome)


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (np.zeros((1, 11), int), [0], r"Examples must have the shape \(1, 12\), not \(1, 11\)"),
        (np.full((1, 12), 32768), [0], r"Examples must be in the range .*, not 32768"),
        (np.full((1, 12), np.nan), [0], "Examples must be integers, not nan"),
        (np.zeros((1, 12)), [0], "Examples must be integers, not of type float64"),
        (np.zeros((1, 12), int), [3], r"Label must be in the range \[0, 2\], not 3"),
        (np.zeros((1, 12), int), [-1], r"Label must be in the range \[0, 2\], not -1"),
        (np.zeros((1, 12), int), [0, 1], r"Labels must be one for each of 1 examples, not \(2,\)"),
        (np.zeros((1, 12), int), [0.5], "Labels must be integers, not of type float64"),
        (np.zeros((0, 12), int), np.zeros(0, int), "Examples must be at least one, not 0"),
        (
            np.zeros((4, 12), int),
            [0] * 4,
            "Examples must be at most the 3 left of the batch, not 4",
        ),
    ],
)
def test_examples_that_do_not_fit_are_refused(x, labels, message):
    config = TrainConfig(layers=(12, 3), mode="lazy", batch=3)
    with pytest.raises(ValueError, match=f"^{message}$"):
        Trainer(config, FastMatrix).batch(x, labels)


def test_data_that_do_not_fit_are_refused_before_training():
    config = TrainConfig(layers=(12, 3), epochs=1)
    trainer, data = Trainer(config, FastMatrix), blobs(config)
    with pytest.raises(ValueError, match=r"^Label must be in the range \[0, 2\], not 3$"):
        trainer.evaluate(data.test_x, data.test_y + (data.test_y == 2))
    with pytest.raises(ValueError, match=r"^Label must be in the range \[0, 2\], not 3$"):
        trainer.fit(replace(data, train_y=data.train_y + (data.train_y == 2)))
    with pytest.raises(ValueError, match=r"^Examples must be integers, not of type float64$"):
        trainer.fit(replace(data, train_x=data.train_x / 2))
    assert trainer.examples == 0
