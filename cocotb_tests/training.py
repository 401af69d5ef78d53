"""Training in RTL: what a run is told, how layers are mapped to matrix units, what it yields."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from golden.train import TrainConfig
from panther.arch.presets import PAPER


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run in RTL; travels to the testbench as JSON."""

    layers: tuple[int, ...] = (64, 32, 10)
    """Inputs, hidden units, classes. Layer n runs on unit n, its bias is the row after its
    inputs."""
    examples: int = 1437
    """Training examples, in the order of the golden training's first epochs."""
    crs_period: int = 16
    """OPAs of one unit between two CRS."""
    seed: int = 0
    """Of the first weights and of the order."""
    fault: str = ""
    """A fault drill; see :mod:`cocotb_tests.faults`."""

    def config(self, *, epochs: int = 10) -> TrainConfig:
        """The same training for the golden model."""
        return TrainConfig(
            layers=self.layers, crs_period=self.crs_period, seed=self.seed, epochs=epochs,
            params=PAPER,
        )  # fmt: skip

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Run":
        fields = json.loads(text)
        return cls(**{**fields, "layers": tuple(fields["layers"])})


PROGRESS = "progress.json"
RESULT = "result.json"
CELLS = "cells.npz"


def read_json(path: Path) -> dict | None:
    """Contents of a file that may not be there yet, or be half written."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
