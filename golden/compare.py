"""How far training on crossbars ends from training in float64, over several seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from golden.data import Dataset
from golden.fast import FastMatrix
from golden.float_sgd import FloatTrainer
from golden.matrix import MatrixFactory
from golden.train import Progress, TrainConfig, Trainer


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Test accuracies after every epoch, one curve a seed."""

    seeds: tuple[int, ...]
    crossbar_curves: tuple[tuple[float, ...], ...]
    floating_curves: tuple[tuple[float, ...], ...]

    @property
    def crossbar(self) -> tuple[float, ...]:
        """Accuracy on crossbars after the last epoch, one a seed."""
        return tuple(curve[-1] for curve in self.crossbar_curves)

    @property
    def floating(self) -> tuple[float, ...]:
        """Accuracy in float64 after the last epoch, one a seed."""
        return tuple(curve[-1] for curve in self.floating_curves)

    @property
    def gap(self) -> float:
        """Mean accuracy in float64 minus that on crossbars."""
        return (sum(self.floating) - sum(self.crossbar)) / len(self.seeds)


def compare(
    config: TrainConfig,
    data: Dataset,
    seeds: Sequence[int] = range(5),
    *,
    matrix_factory: MatrixFactory = FastMatrix,
    progress: Progress | None = None,
) -> Comparison:
    """Train both networks from the same first weights, in the same order, for every seed.

    Parameters
    ----------
    config : TrainConfig
        Its seed is replaced by each of ``seeds``.
    data : Dataset
    seeds : sequence of int
    matrix_factory : callable
    progress : callable, optional
        Called with the seeds done and their number.

    Raises
    ------
    ValueError
        If there are no seeds or no epochs, or the data do not fit the network.
    """
    if not seeds or not config.epochs:
        raise ValueError(
            f"Comparison must have seeds and epochs, not {len(seeds)} and {config.epochs}"
        )
    crossbar, floating = [], []
    for done, seed in enumerate(seeds, 1):
        run = replace(config, seed=seed)
        crossbar.append(tuple(Trainer(run, matrix_factory).fit(data)))
        floating.append(tuple(FloatTrainer(run).fit(data)))
        if progress is not None:
            progress(done, len(seeds))
    return Comparison(
        seeds=tuple(seeds), crossbar_curves=tuple(crossbar), floating_curves=tuple(floating)
    )
