from dataclasses import replace

import numpy as np
import pytest

from golden.data import digits
from golden.fast import FastMatrix
from golden.float_network import FloatTrainer
from golden.matrix import LiteralMatrix
from golden.network import NetworkTrainer, quantise_weights
from golden.train import TrainConfig, Trainer, initial_weights
from panther.arch.formats import TrainFormats
from panther.arch.network import Kind, Network, Node, TrainPlan, factor
from panther.arch.params import SliceParams
from panther.arch.presets import PAPER, TINY
from tests.golden.literal_network import LiteralNetwork
from tests.golden.networks import cnn, digits_plan, first_weights, mlp, random_network, random_plan

MODES = {"V1": "sgd", "V2": "lazy", "V3": "eager"}
ROOMY = replace(PAPER, rows=32, columns=32, slices=SliceParams(cell_bits=(13,) * 8))
"""Cells in which nothing saturates in a batch of images."""
RANDOM = 60
"""Random networks compared with the literal one."""


def drawn(seed):
    """A random network, its plan, first weights, and five examples."""
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    plan = random_plan(rng, network, ("V1", "V2", "V3")[seed % 3])
    # by turns small words, and words of which many saturate somewhere
    reach = 1 << (plan.fraction(network, "x") if seed % 2 else 15)
    x = rng.integers(-reach, reach, (5, *network.nodes[0].shape))
    labels = rng.integers(0, min(loss.shape[2] for loss in network.losses), 5)
    return network, plan, first_weights(network, seed, 1 + seed % 2), x, labels


def same(words, literal):
    assert set(words) == set(literal)
    for name in words:
        assert (words[name][0] == literal[name]).all(), name


def same_cells(left, right):
    assert set(left) == set(right)
    for name in left:
        assert (left[name].cells == right[name].cells).all(), name


@pytest.mark.parametrize("seed", range(RANDOM))
def test_every_word_is_that_of_the_page(seed):
    network, plan, weights, x, labels = drawn(seed)
    trainer = NetworkTrainer(network, weights, plan)
    first = {name: matrix.weights for name, matrix in trainer.matrices.items()}
    literal = LiteralNetwork(network, first, plan)
    for n in range(5):
        trace = trainer.batch(x[n : n + 1], labels[n : n + 1])
        tensors, errors, updates = literal.step(x[n], int(labels[n]))
        same(trace.tensors, tensors)
        same(trace.errors, errors)
        same(trace.updates, updates)
        if (n + 1) % plan.batch == 0 or n == 4:
            trainer.finish_batch()
            literal.finish_batch()
        same_cells(trainer.matrices, literal.read)
        same_cells(trainer.written, literal.write)


def test_random_networks_reach_everything():
    networks = [drawn(seed)[0] for seed in range(RANDOM)]
    nodes = [node for network in networks for node in network.nodes]
    assert {node.kind for node in nodes} == set(Kind)
    windows = [node for node in nodes if node.kind in (Kind.MATRIX, Kind.MAX_POOL, Kind.AVG_POOL)]
    for kind in (Kind.MATRIX, Kind.MAX_POOL, Kind.AVG_POOL):
        for axis in (0, 1):
            found = [node for node in windows if node.kind == kind]
            assert any(node.stride[axis] > 1 for node in found)
            assert any(node.padding[axis] for node in found)
            overlap = [node for node in found if node.stride[axis] < node.kernel[axis]]
            assert any(node.shape[axis] > 1 for node in overlap)
    assert {(m.bias, m.feedback) for m in nodes if m.kind == Kind.MATRIX} == {
        (bias, feedback) for bias in (False, True) for feedback in (False, True)
    }
    assert any(len(network.losses) > 1 for network in networks)
    assert any(
        sum(user.kind != Kind.DETACH for user in network.users(name)) > 1
        for network in networks
        for name in network.needs_error()
    )


@pytest.mark.parametrize("variant", MODES)
def test_perceptron_is_that_of_the_other_trainer(variant):
    batch = 1 if variant == "V1" else 8  # a power of two: schedules round alike
    same_for_both = {"batch": batch, "crs_period": 5, "schedule": ((1, 0.5),), "epochs": 2}
    config = TrainConfig(mode=MODES[variant], **same_for_both)
    other = Trainer(config, FastMatrix)
    network = mlp()
    plan = TrainPlan(variant=variant, **same_for_both)
    names = [node.name for node in network.matrices]
    first = [np.ldexp(w, -28) for w in initial_weights(config)]
    trainer = NetworkTrainer(network, dict(zip(names, first, strict=True)), plan)
    data = digits(TrainFormats())
    data = replace(data, train_x=data.train_x[:100], train_y=data.train_y[:100])
    assert trainer.fit(data) == other.fit(data)
    for left, right in zip(trainer.matrices.values(), other.matrices, strict=True):
        assert (left.cells == right.cells).all()
    for left, right in zip(trainer.written.values(), other.written, strict=True):
        assert (left.cells == right.cells).all()


def test_examples_of_a_batch_may_come_together_or_one_by_one():
    for seed in (1, 2, 4, 5):
        network, plan, weights, x, labels = drawn(seed)
        plan = replace(plan, batch=4)
        whole, single = (NetworkTrainer(network, weights, plan) for _ in range(2))
        trace = whole.batch(x[:4].reshape(4, -1), labels[:4])
        assert trace.tensors["x"].shape == (4, *network.nodes[0].shape)
        for n in range(4):
            single.batch(x[n : n + 1], labels[n : n + 1])
        same_cells(whole.matrices, single.matrices)


def test_literal_matrices_and_fast_ones_train_alike():
    network = mlp((9, 5, 3))
    plan = TrainPlan(variant="V2", batch=2, crs_period=3, mcu=replace(PAPER, rows=8, columns=4))
    weights = first_weights(network, 0)
    x = np.random.default_rng(0).integers(-(1 << 12), 1 << 12, (2, 9))
    trainers = [
        NetworkTrainer(network, weights, plan, made) for made in (LiteralMatrix, FastMatrix)
    ]
    for trainer in trainers:
        trainer.batch(x, [0, 1])
    same_cells(trainers[0].matrices, trainers[1].matrices)
    for name, matrix in trainers[0].matrices.items():
        assert matrix.counters == trainers[1].matrices[name].counters


def test_momentum_applies_the_batches_before_again():
    network = mlp((5, 4, 3))
    plan = TrainPlan(variant="V2", batch=2, lr=1.0, crs_period=3, momentum=0.8, history=2)
    trainer = NetworkTrainer(network, first_weights(network, 1), plan)
    replay = {n: LiteralMatrix(plan.mcu, m.weights) for n, m in trainer.matrices.items()}
    rng = np.random.default_rng(1)
    by, past, count = factor(0.8), [], 0
    for examples in (2, 2, 1, 2, 2):
        x, labels = rng.integers(-2000, 2000, (examples, 5)), rng.integers(0, 3, examples)
        trace = trainer.batch(x, labels)
        trainer.finish_batch()
        past.insert(0, trace)
        own = count
        for name, matrix in replay.items():
            taken, count = network[name].inputs[0], own
            for age, older in enumerate(past[:3]):
                rows = older.tensors[taken][:, 0, 0]
                u = older.updates[name][:, 0, 0]
                for _ in range(age):
                    u = (u * by.multiplier + (1 << by.shift - 1)) >> by.shift
                    u = np.clip(u, -32768, 32767)
                for row, column in zip(rows, u, strict=True):
                    whole = np.zeros(matrix.shape[0], np.int64)
                    whole[: len(row)], whole[-1] = row, 1024
                    matrix.opa(whole, column)
                    count += 1
                    if count % 3 == 0:
                        matrix.crs()
        same_cells(trainer.matrices, replay)
    trainer.finish_batch()  # nothing since: no batch
    same_cells(trainer.matrices, replay)


def test_lazy_is_eager_when_nothing_saturates():
    network = cnn()
    weights = first_weights(network, 3)
    data = digits(TrainFormats())
    plan = TrainPlan(variant="V2", batch=3, lr=2**-6, mcu=ROOMY)
    trainers = [
        NetworkTrainer(network, weights, replace(plan, variant=variant)) for variant in ("V2", "V3")
    ]
    for trainer in trainers:
        for start in (0, 3, 6):
            trainer.batch(data.train_x[start : start + 3], data.train_y[start : start + 3])
        assert not any(sum(m.counters.opa_saturated) for m in trainer.written.values())
    for name, matrix in trainers[0].matrices.items():
        assert (matrix.weights == trainers[1].matrices[name].weights).all()
        assert (matrix.weights != quantise_weights(network, weights, plan)[name]).any()


# ---- against float64


def loss(network, tensors, labels):
    total = 0.0
    for node in network.losses:
        y = tensors[node.inputs[0]][:, 0, 0]
        right = np.eye(y.shape[1])[labels]
        if node.kind == Kind.MSE:
            total += ((y - right) ** 2).mean(axis=1).sum()
        else:
            total += (np.log(np.exp(y).sum(axis=1)) - (y * right).sum(axis=1)).sum()
    return total


@pytest.mark.parametrize("seed", range(12))
def test_float_gradients_are_finite_differences(seed):
    rng = np.random.default_rng(seed)
    network = random_network(rng, detach=False)
    weights = first_weights(network, seed)
    trainer = FloatTrainer(network, weights, TrainPlan())
    x = rng.standard_normal((2, *network.nodes[0].shape))
    labels = rng.integers(0, min(node.shape[2] for node in network.losses), 2)
    gradients = trainer.gradients(x, labels)
    for name, w in trainer.weights.items():
        for _ in range(4):
            place = tuple(int(rng.integers(n)) for n in w.shape)
            kept, sums = w[place], []
            for step in (1e-6, -1e-6):
                w[place] = kept + step
                sums.append(loss(network, trainer.forward(x), labels))
            w[place] = kept
            slope = (sums[0] - sums[1]) / 2e-6
            assert slope == pytest.approx(gradients[name][place], rel=1e-4, abs=1e-6), seed


def test_float_steps_are_those_of_the_plan():
    network = mlp((3, 4, 2))
    plan = TrainPlan(variant="V2", batch=2, lr=0.5, momentum=0.5, history=2)
    trainer = FloatTrainer(network, first_weights(network, 0), plan)
    expected = {name: w.copy() for name, w in trainer.weights.items()}
    past = []
    x = np.random.default_rng(0).standard_normal((8, 3))
    for start in range(0, 8, 2):
        labels = [0, 1]
        past.insert(0, trainer.gradients(x[start : start + 2], labels))
        trainer.batch(x[start : start + 2], labels)
        for name, w in expected.items():
            for age, gradients in enumerate(past[:3]):
                w -= 0.25 * 0.5**age * gradients[name]
            assert trainer.weights[name] == pytest.approx(w, abs=1e-12)


def test_errors_are_near_those_of_float64():
    network = cnn()
    weights = first_weights(network, 0)
    plan = digits_plan(network)
    trainer, plain = NetworkTrainer(network, weights, plan), FloatTrainer(network, weights, plan)
    data = digits(TrainFormats())
    x, labels = data.train_x[:50], data.train_y[:50]
    trace = trainer.trace(x, labels)
    real = plain.forward(np.ldexp(x, -10))
    errors = plain.errors(np.ldexp(x, -10), labels)
    for name, words in trace.tensors.items():
        assert np.abs(np.ldexp(words, -10) - real[name]).max() < 2**-7
    assert set(trace.errors) == set(errors)
    for name, words in trace.errors.items():
        gap = np.abs(np.ldexp(words, -14) - errors[name])
        # but for the few words whose ReLU or maximum is decided otherwise
        assert np.quantile(gap, 0.95) < 2**-9
        assert np.linalg.norm(gap) < 2**-4 * np.linalg.norm(errors[name])


@pytest.mark.parametrize("make", [mlp, cnn])
def test_digits_are_learned_as_well_as_in_float64(make):
    network = make()
    plan = digits_plan(network, epochs=2, seed=1)
    data = digits(TrainFormats())
    weights = first_weights(network, 1)
    ours = NetworkTrainer(network, weights, plan).fit(data)[-1]
    plain = FloatTrainer(network, weights, plan).fit(data)[-1]
    assert plain > 0.9
    assert ours > plain - 0.02  # one seed; the benchmark has five


# ---- runs


@pytest.mark.parametrize("variant", MODES)
def test_restored_training_goes_on_to_the_bit(variant):
    network, plan, weights, x, labels = drawn(3 + int(variant[1]) - 1)
    batch = 1 if variant == "V1" else 3
    momentum = {"momentum": 0.5, "history": 2} if variant == "V2" else {"momentum": 0, "history": 0}
    plan = replace(plan, variant=variant, batch=batch, schedule=((1, 0.5),), **momentum)
    x, labels = np.tile(x, (4, 1, 1, 1)), np.tile(labels, 4)
    whole = NetworkTrainer(network, weights, plan)
    for n in range(20):
        if n == 8:
            whole.start_epoch(1)
        whole.batch(x[n : n + 1], labels[n : n + 1])
        if n == 13:  # in the middle of a batch
            state = whole.state()
    other = NetworkTrainer(network, first_weights(network, 99), plan)
    other.restore(state)
    assert other.examples == 14
    for n in range(14, 20):
        other.batch(x[n : n + 1], labels[n : n + 1])
    same_cells(whole.matrices, other.matrices)
    same_cells(whole.written, other.written)
    left, right = whole.state(), other.state()
    assert set(left) == set(right)
    for name in left:
        assert np.array_equal(left[name], right[name])


def test_fit_continues_where_a_state_stood():
    network = mlp()
    data = digits(TrainFormats())
    data = replace(data, train_x=data.train_x[:50], train_y=data.train_y[:50])
    plan = TrainPlan(variant="V2", batch=8, epochs=3, momentum=0.5, history=1)
    whole, states, epochs = NetworkTrainer(network, first_weights(network, 0), plan), {}, []
    accuracy = whole.fit(
        data,
        lambda done, total: states.update({done: whole.state()}),
        lambda epoch, right: epochs.append((epoch, right)),
    )
    assert epochs == list(enumerate(accuracy))
    assert list(states) == [
        50 * epoch + n for epoch in range(3) for n in (8, 16, 24, 32, 40, 48, 50)
    ]
    for done, left in ((24, 3), (50, 2), (66, 2), (150, 0)):
        other = NetworkTrainer(network, first_weights(network, 1), plan)
        other.restore(states[done])
        assert other.fit(data) == accuracy[len(accuracy) - left :]
        same_cells(whole.matrices, other.matrices)


def test_states_that_lack_something_are_refused():
    network, plan, weights, _, _ = drawn(2)
    trainer = NetworkTrainer(network, weights, plan)
    name = network.matrices[0].name
    state = trainer.state()
    del state[f"written/{name}"]
    with pytest.raises(ValueError, match=f"^State must have 'written/{name}'$"):
        trainer.restore(state)


def test_first_weights_are_rounded_clipped_and_padded():
    network = Network(
        (
            Node(name="x", kind=Kind.INPUT, shape=(1, 2, 3)),
            Node(
                name="m", kind=Kind.MATRIX, inputs=("x",), shape=(1, 1, 1), kernel=(1, 2), bias=True
            ),
            Node(name="loss", kind=Kind.MSE, inputs=("m",), shape=(1, 1, 1)),
        )
    )
    real = np.array([[2.5, 3.5, -1.0, 0.4, 1e10, -1e10, 7.0]]).T
    plan = TrainPlan(weight={"m": 0})
    found = quantise_weights(network, {"m": real}, plan)["m"][:, 0].tolist()
    assert found == [2, 4, -1, 0, 0, 0x77777777, -0x88888888, 0, 7]
    with pytest.raises(
        ValueError, match=r"^Weights of m must have the shape \(7, 1\), not \(6, 1\)$"
    ):
        quantise_weights(network, {"m": real[:6]}, plan)
    with pytest.raises(ValueError, match=r"^Weights of m must be finite, not nan$"):
        quantise_weights(network, {"m": np.full((7, 1), np.nan)}, plan)
    with pytest.raises(ValueError, match=r"^Weights must be of m, not n$"):
        quantise_weights(network, {"n": real}, plan)


def test_examples_and_labels_are_checked():
    network = mlp((4, 3))
    trainer = NetworkTrainer(network, first_weights(network, 0), TrainPlan())
    good = np.zeros((1, 4), np.int64)
    for labels, message in (
        ([3], r"Label must be in the range \[0, 2\], not 3"),
        ([-1], r"Label must be in the range \[0, 2\], not -1"),
        ([float("nan")], "Labels must be integers, not nan"),
        ([0, 1], r"Labels must be one for each of 1 examples, not \(2,\)"),
    ):
        for method in (trainer.batch, trainer.trace, trainer.evaluate):
            with pytest.raises(ValueError, match=f"^{message}$"):
                method(good, labels)
    for x, message in (
        (np.full((1, 4), np.nan), "Examples must be integers, not nan"),
        (np.full((1, 4), 32768), r"Examples must be in the range \[-32768, 32767\], not 32768"),
        (np.zeros((1, 5), int), r"Examples must have the shape \(1, 4\), not \(1, 5\)"),
        (np.zeros((1, 2, 2, 1), int), r"Examples must have the shape \(1, 1, 1, 4\), .*"),
        (np.zeros((0, 4), int), "Examples must be at least one, not 0"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            trainer.trace(x, [0])
    with pytest.raises(
        ValueError, match=r"^Examples must be at most the 1 left of the batch, not 2$"
    ):
        trainer.batch(np.zeros((2, 4), int), [0, 0])
    assert trainer.examples == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mcu": TINY}, "Crossbars must have 16 operand bits, not 8"),
        ({"activation": {"relu2": 9}}, "Fraction bits of relu2 must be the 10 of matrix1, not 9"),
        ({"activation": {"x": 16}}, r"Fraction bits of x must be in the range \[0, 15\], not 16"),
        (
            {"error": {"relu2": 12}},
            "Fraction bits of the error of relu2 must be the 13 of matrix1's, not 12",
        ),
        (
            {"error": {"matrix3": 15}},
            r"Fraction bits of the error of matrix3 must be in the range \[0, 14\], not 15",
        ),
        ({"lr": 2.0**40}, "Factor must be a word shifted right by 0 to 31 bits, not .*"),
        (
            {"weight": {"matrix3": 60}},
            r"MVM shift of matrix3 must be in the range \[0, 55\], not 60",
        ),
        (
            {"weight": {"matrix3": 1}, "error": {"matrix1": 14, "relu2": 14, "matrix3": 2}},
            r"MTVM shift of matrix3 must be in the range \[0, 55\], not -11",
        ),
    ],
)
def test_plans_that_do_not_fit_are_refused(change, message):
    network = mlp((4, 3, 2))
    with pytest.raises(ValueError, match=f"^{message}$"):
        NetworkTrainer(network, first_weights(network, 0), TrainPlan(**change))
