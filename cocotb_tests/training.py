"""Training in RTL: what a run is told, the memory its program starts from, what it yields."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.data import Dataset
from golden.train import TrainConfig, epoch_order
from panther.arch.presets import CORES
from panther.asm import Program, assemble_file
from panther.sim import ROOT

CORE = CORES["PAPER"]
PROGRAM = ROOT / "examples" / "digits.pasm"
LAYERS = (64, 32, 10)
"""Inputs, hidden units, classes: those of the program. Layer n lies in matrix unit n."""
RECORD = LAYERS[0] + 1
"""Words of an example in memory: its pixels, then its class."""


def program() -> Program:
    """The training program."""
    return assemble_file(PROGRAM, CORE)


PARAMETERS = program().symbols["PARAMETERS"]
"""Where the program finds epochs, examples, and outer products between two carry resolutions."""
MAX_EXAMPLES = PARAMETERS // RECORD


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run in RTL; travels to the testbench as JSON."""

    examples: int = 500
    """Training examples, in the order of the golden training's first epoch."""
    epochs: int = 1
    """Passes over them."""
    crs_period: int = 16
    """OPAs of one unit between two CRS."""
    seed: int = 0
    """Of the first weights and of the order."""
    fault: str = ""
    """A fault drill; see :mod:`cocotb_tests.faults`."""

    def config(self, *, epochs: int = 10) -> TrainConfig:
        """The same training for the golden model."""
        return TrainConfig(
            layers=LAYERS, crs_period=self.crs_period, seed=self.seed, epochs=epochs,
            params=CORE.mcu,
        )  # fmt: skip

    def order(self, data: Dataset) -> NDArray[np.int64]:
        """The examples in the order in which the program goes through them, in each epoch."""
        return epoch_order(self.config(), 0, len(data.train_x))[: self.examples]

    def memory(self, data: Dataset) -> NDArray[np.int16]:
        """The core's memory before the program starts."""
        words = np.zeros(CORE.memory_words, np.int16)
        chosen = self.order(data)
        records = np.column_stack([data.train_x[chosen], data.train_y[chosen]])
        words[: records.size] = records.reshape(-1)
        words[PARAMETERS : PARAMETERS + 3] = self.epochs, self.examples, self.crs_period
        return words

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Run":
        return cls(**json.loads(text))


PROGRESS = "progress.json"
RESULT = "result.json"
CELLS = "cells.npz"


def read_json(path: Path) -> dict | None:
    """Contents of a file that may not be there yet, or be half written."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
