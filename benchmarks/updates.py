"""What encodings of the outer product and CRS by headroom buy on digits.

``python -m benchmarks.updates`` trains the MLP 64-32-10 in golden, V1, for three epochs, with every
slicing, encoding and way of resolving carries: accuracy, cells that lost a part of an update, CRS
(rows resolved, by the rows of the crossbars), steps, cycles and energy of an OPA, and whether the
weights are those of a run with integers that are not sliced at all. Energy is that of
``panther.energy``, in nJ, CRS included; looking for headroom and adding have no price.
"""

import os

os.environ.update(
    dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    )
)

import argparse
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.data import digits
from golden.fast import make_matrix
from golden.fixed import Ints, requantise
from golden.headroom import HeadroomMatrix
from golden.matrix import Ideal, Matrix
from golden.network import NetworkTrainer
from golden.opa import row_digits
from golden.slicing import Cells
from panther.arch.formats import TrainFormats
from panther.arch.mcu import RESOLVE_CYCLES
from panther.arch.params import McuParams, OpaParams, SliceParams
from panther.energy.update import update_energy
from tests.golden.networks import digits_plan, first_weights, mlp

SLICINGS = ("44466555", "6x8")
ENCODINGS = {
    "plain": OpaParams(),
    "naf": OpaParams(row_digits="naf", skip_steps=True),
    "balanced": OpaParams(column_digits="balanced", skip_steps=True),
    "both": OpaParams(row_digits="naf", column_digits="balanced", skip_steps=True),
}
"""Signed ones leave out steps without a digit."""
PERIODS = (1, 16, 64)
GROUPS = (1, 16, 128)
EPOCHS = 3


@dataclass(frozen=True, kw_only=True)
class Run:
    """One way to make updates."""

    slicing: str = "6x8"
    encoding: str = "plain"
    period: int | None = None
    groups: int = 0
    epochs: int = EPOCHS
    seed: int = 0

    @property
    def params(self) -> McuParams:
        """The crossbars."""
        return McuParams(
            slices=SliceParams.parse(self.slicing), opa=ENCODINGS[self.encoding],
            headroom=self.groups,
        )  # fmt: skip


class Unsliced(Ideal):
    """A matrix of integers without slices, as wide as they need to be."""

    def __init__(self, params: McuParams, weights: Any, crossbar: int = 0) -> None:
        self.params, self.weights = params, np.array(weights)

    @property
    def shape(self) -> tuple[int, int]:
        return self.weights.shape[0], self.weights.shape[1]

    @property
    def cells(self) -> Cells:
        raise NotImplementedError

    def mvm(self, x: Any, shift: int) -> Ints:
        return requantise(x @ self.weights, shift=shift, bits=self.params.operand_bits)[0]

    def mtvm(self, e: Any, shift: int) -> Ints:
        return requantise(e @ self.weights.T, shift=shift, bits=self.params.operand_bits)[0]

    def opa(self, x: Any, e: Any) -> None:
        self.weights += np.atleast_2d(x).T @ np.atleast_2d(e)

    def crs(self) -> None:
        pass


@dataclass
class Counts:
    """Of all crossbars of a run."""

    opas: int = 0
    steps: int = 0
    gaps: int = 0
    rows: int = 0
    """Resolved by CRS."""


def train(run: Run, matrix: Any = make_matrix) -> tuple[float, NetworkTrainer, Counts]:
    """Accuracy, trainer and counts of a run."""
    network = mlp()
    plan = replace(
        digits_plan(network, epochs=run.epochs, seed=run.seed), mcu=run.params,
        crs_period=run.period,
    )  # fmt: skip
    counts = Counts()

    def watched(params: McuParams, weights: Ints, crossbar: int) -> Matrix:
        made: Matrix = matrix(params, weights, crossbar)
        opa, crs = made.opa, made.crs

        def counting_opa(x: Any, e: Any) -> None:
            for one in np.atleast_2d(x):
                driven = row_digits(params, np.abs(one)).any(axis=1)
                if not params.opa.skip_steps:
                    driven[:] = True
                counts.steps += int(driven.sum())
                # a step without a digit below the last one takes a cycle
                counts.gaps += int((~driven[: len(driven) - driven[::-1].argmax()]).sum())
                counts.opas += 1
            opa(x, e)

        def counting_crs() -> None:
            counts.rows += made.shape[0]
            crs()

        made.opa, made.crs = counting_opa, counting_crs  # type: ignore[method-assign]
        return made

    trainer = NetworkTrainer(network, first_weights(network, run.seed), plan, watched)
    return trainer.fit(digits(TrainFormats()))[-1], trainer, counts


def row_cycles(params: McuParams, columns: int) -> int:
    """Of a row of CRS."""
    timing = params.timing
    stages = -(-params.slices.count // 4)
    return columns + timing.integrate_cycles + timing.program_cycles + stages + 4


def measure(run: Run) -> dict[str, float]:
    """One line of the table."""
    accuracy, trainer, counts = train(run)
    params = run.params
    cells = rows = pulsed_steps = 0
    lost = np.zeros(params.slices.count, np.int64)
    cycles = 0.0
    for matrix in trainer.matrices.values():
        columns = matrix.shape[1]
        opas = counts.opas // len(trainer.matrices)
        lost += np.array(matrix.counters.opa_saturated)
        cells += matrix.shape[0] * columns * opas
        rows += matrix.shape[0] * opas
        if isinstance(matrix, HeadroomMatrix):
            counts.rows += matrix.work.resolved_rows
            share = matrix.work.pulsed / opas
            cycles += (params.operand_bits + 4) * opas
            cycles += matrix.work.resolved_rows * (row_cycles(params, columns) + RESOLVE_CYCLES)
        else:
            share = 1.0
            if run.period:
                cycles += opas // run.period * matrix.shape[0] * row_cycles(params, columns)
        pulsed_steps += share * counts.steps / len(trainer.matrices)
        pulses = (4 * counts.steps + counts.gaps) / len(trainer.matrices)
        cycles += share * (pulses + 3 * opas)
    weights = {name: matrix.weights for name, matrix in trainer.matrices.items()}
    resolved, steps = counts.rows / rows, pulsed_steps / counts.opas
    energy = update_energy(params, opas=steps / params.operand_bits, resolutions=resolved)
    return {
        "accuracy": accuracy, "lost": float(lost.max()) / cells, "any": int(lost.sum()),
        "crs": resolved, "steps": steps, "cycles": cycles / counts.opas,
        "energy": 1e9 * energy.total_j, "exact": _equal(weights, run),
    }  # fmt: skip


def _equal(weights: Mapping[str, NDArray[np.int64]], run: Run) -> bool:
    _, trainer, _ = train(replace(run, encoding="plain", groups=0, period=None), Unsliced)
    return all((trainer.matrices[n].weights == w).all() for n, w in weights.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    runs = [
        Run(slicing=slicing, encoding=encoding, period=period, groups=groups, epochs=args.epochs,
            seed=args.seed)
        for slicing in SLICINGS
        for encoding in ENCODINGS
        for period, groups in [*((p, 0) for p in PERIODS), *((None, g) for g in GROUPS)]
    ]  # fmt: skip
    accuracy, _, _ = train(Run(epochs=args.epochs, seed=args.seed), Unsliced)
    print(f"digits, MLP 64-32-10, V1, {args.epochs} epochs, seed {args.seed}; not sliced: "
          f"accuracy {100 * accuracy:.2f} %")  # fmt: skip
    head = ("slicing", "digits", "resolve", "accuracy", "lost in a slice", "CRS an OPA",
            "steps", "cycles", "nJ", "weights")  # fmt: skip
    line = "{:9} {:9} {:>10} {:>9} {:>16} {:>11} {:>6} {:>7} {:>6}  {}"
    print(line.format(*head))
    with ProcessPoolExecutor(2) as pool:
        for run, found in zip(runs, pool.map(measure, runs), strict=True):
            resolve = f"every {run.period}" if run.period else f"{run.groups} groups"
            print(
                line.format(
                    run.slicing, run.encoding, resolve, f"{100 * found['accuracy']:.2f} %",
                    f"{100 * found['lost']:.3f} %" if found["any"] else "none",
                    f"{found['crs']:.3f}", f"{found['steps']:.1f}", f"{found['cycles']:.0f}",
                    f"{found['energy']:.1f}",
                    "exact" if found["exact"] else "differ",
                ), flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
