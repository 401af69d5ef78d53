"""Accuracy and speed of golden training of networks, against float64 numpy.

``python -m benchmarks.training`` trains the digits for five seeds, then prints examples a second,
one thread, from medians of interleaved rounds.
"""

import os

os.environ.update(
    dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    )
)

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks.golden import EXAMPLES, medians
from golden.data import digits
from golden.fixed import Ints
from golden.float_network import FloatTrainer, Reals
from golden.network import NetworkTrainer
from panther.arch.formats import TrainFormats
from panther.arch.network import Network
from tests.golden.networks import cnn, digits_plan, first_weights, mlp

NETWORKS: dict[str, Callable[[], Network]] = {"MLP 64-32-10": mlp, "CNN 8-16-10": cnn}
SEEDS = range(5)
EPOCHS = 3
GAP = 0.01
"""What the mean accuracy may be below that of float64."""


def accuracy_table() -> bool:
    """Print test accuracies of the digits; whether the means are as good as they must be."""
    data, met = digits(TrainFormats()), True
    print(f"digits, {EPOCHS} epochs, seeds 0 to {SEEDS[-1]}: test accuracy, %")
    for name, make in NETWORKS.items():
        network, rows = make(), []
        for seed in SEEDS:
            plan = digits_plan(network, epochs=EPOCHS, seed=seed)
            weights = first_weights(network, seed)
            trainers = FloatTrainer(network, weights, plan), NetworkTrainer(network, weights, plan)
            rows.append([trainer.fit(data)[-1] for trainer in trainers])
        for side, values in zip(("float64", "golden"), np.array(rows).T, strict=True):
            shown = " ".join(f"{100 * value:5.1f}" for value in values)
            print(f"  {name:14}{side:9}{shown}   mean {100 * values.mean():5.2f}")
        plain, ours = np.mean(rows, axis=0)
        met &= bool(ours >= plain - GAP)
    return met


def rounds_of(
    trainer: FloatTrainer | NetworkTrainer, x: Ints | Reals, labels: Ints, batch: int
) -> Callable[[], None]:
    """A function that trains all examples once."""

    def run() -> None:
        for start in range(0, EXAMPLES, batch):
            trainer.batch(x[start : start + batch], labels[start : start + batch])

    return run


def speed_table(rounds: int) -> None:
    """Print CPU time as examples a second."""
    data = digits(TrainFormats())
    x, labels = data.train_x[:EXAMPLES], data.train_y[:EXAMPLES]
    print("examples/s: float64, golden, ratio")
    for name, make in NETWORKS.items():
        for batch in (1, 32):
            network = make()
            plan = digits_plan(network, variant="V1" if batch == 1 else "V2", batch=batch)
            weights = first_weights(network, 0)
            real = np.ldexp(x, -plan.fraction(network, network.nodes[0].name))
            runs = {
                "float64": rounds_of(FloatTrainer(network, weights, plan), real, labels, batch),
                "golden": rounds_of(NetworkTrainer(network, weights, plan), x, labels, batch),
            }
            times = medians(runs, rounds)
            left, right = 1 / times["float64"], 1 / times["golden"]
            print(f"  {name:14}batch {batch:2}{left:8.0f}{right:8.0f}{right / left:7.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="%(default)s by default")
    args = parser.parse_args()
    met = accuracy_table()
    speed_table(args.rounds)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
