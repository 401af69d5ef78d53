"""Training in RTL: what a run is told, the memory its program starts from, what it yields."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.data import Dataset, digits
from golden.fast import FastMatrix
from golden.train import TrainConfig, Trainer, epoch_order
from models.analog.array import IdealArray
from models.system.core import Core, Status
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
    epochs: int = 3
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

    @property
    def steps(self) -> int:
        """Training steps of the whole run."""
        return self.epochs * self.examples

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


def transaction_level(run: Run, *, rounds: int = 1) -> dict[str, Any]:
    """Run the program on the core's twin.

    Returns
    -------
    dict
        Instructions, cycles, and the CPU seconds of each round; compiling does not count.

    Raises
    ------
    RuntimeError
        If the cells are not golden's in the end.
    """
    data = digits(run.config().formats)
    golden = Trainer(run.config(), FastMatrix)
    first = [matrix.cells for matrix in golden.matrices]
    for _ in range(run.epochs):
        for chosen in run.order(data):
            golden.step(data.train_x[chosen], int(data.train_y[chosen]))
    seconds = []
    for number in range(rounds + 1):
        arrays = [IdealArray(CORE.mcu) for _ in range(CORE.mcus)]
        for array, cells in zip(arrays, first, strict=True):
            whole = array.cells
            whole[:, : cells.shape[1], : cells.shape[2]] = cells
            array.cells = whole
        core = Core(CORE, arrays)
        core.load(np.array(program().words, np.uint64))
        core.load_memory(0, run.memory(data))
        core.start()
        begin = time.process_time()
        status = core.run()
        if number:  # the first one compiles
            seconds.append(time.process_time() - begin)
    same = all(
        (array.cells[:, : m.shape[0], : m.shape[1]] == m.cells).all()
        for array, m in zip(arrays, golden.matrices, strict=True)
    )
    if status is not Status.HALTED or not same:
        raise RuntimeError(f"The twin must halt with golden's cells, not be {status.value}")
    return {"instructions": core.retired, "cycles": core.cycle + 1, "seconds": seconds}


PROGRESS = "progress.json"
RESULT = "result.json"
CELLS = "cells.npz"


def read_json(path: Path) -> dict | None:
    """Contents of a file that may not be there yet, or be half written."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
