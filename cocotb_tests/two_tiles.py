"""Training on two tiles: what the programs of ``examples/two_tiles`` get, and what golden does."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cocotb_tests.training import LAYERS
from golden.data import Dataset, digits
from golden.fast import FastMatrix
from golden.train import TrainConfig, Trainer, epoch_order
from models.analog.array import Array, IdealArray
from models.system.node import Node
from panther.arch.core import LANES
from panther.arch.node import NodeParams
from panther.arch.presets import NODES
from panther.asm import Program, read_node_program
from panther.sim import ROOT

NODE = NODES["TWO_TILES"]
FOLDER = ROOT / "examples" / "two_tiles"
MAX_STEPS = 500
"""Examples there is room for."""


@dataclass(frozen=True, kw_only=True)
class TwoTiles:
    """One training run."""

    steps: int = 100
    """Examples, in the order of the golden training's first epoch."""
    crs_period: int = 16
    """OPAs of one unit between two CRS."""
    seed: int = 0
    """Of the first weights and of the order."""

    @property
    def config(self) -> TrainConfig:
        """The same training for the golden model."""
        return TrainConfig(
            layers=LAYERS, crs_period=self.crs_period, seed=self.seed, params=NODE.tile.core.mcu
        )

    def data(self) -> Dataset:
        """Digits in the formats of the network."""
        return digits(self.config.formats)

    def order(self, data: Dataset) -> NDArray[np.int64]:
        """The examples in the order in which they are trained."""
        return epoch_order(self.config, 0, len(data.train_x))[: self.steps]

    def trainer(self) -> Trainer:
        """The golden training before its first step."""
        return Trainer(self.config, FastMatrix)

    def train(self) -> Trainer:
        """The golden training after the last step."""
        trainer, data = self.trainer(), self.data()
        for chosen in self.order(data):
            trainer.step(data.train_x[chosen], int(data.train_y[chosen]))
        return trainer

    # ---- as a case for a node; see cocotb_tests.node_programs.NodeCase

    def assembled(self, params: NodeParams = NODE) -> dict[tuple[int, int], Program]:
        """Program of each core and sequencer."""
        return read_node_program(
            FOLDER, params, define={"STEPS": self.steps, "PERIOD": self.crs_period}
        )

    def starts(self) -> dict[tuple[int, int], int]:
        """All units, and where they start."""
        return dict.fromkeys(self.assembled(), 0)

    def memory(
        self, tile: int, params: NodeParams = NODE
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """What a tile's memory holds at first: groups of four words, which are valid, readers."""
        data = self.data()
        order = self.order(data)
        records = data.train_x if tile == 0 else data.train_y.astype(np.int16)
        words = np.zeros(params.tile.core.memory_words, np.int16)
        given = records[order].reshape(-1)
        words[: given.size] = given
        groups = params.tile.groups
        valid = np.arange(groups) < -(-given.size // LANES)
        return words.view(np.int64), valid, np.zeros(groups, np.int64)

    def arrays(self, params: NodeParams = NODE) -> list[Array]:
        """The arrays of both tiles, with the first weights."""
        arrays: list[Array] = []
        for matrix in self.trainer().matrices:
            array = IdealArray(params.tile.core.mcu)
            cells = array.cells
            cells[:, : matrix.shape[0], : matrix.shape[1]] = matrix.cells
            array.cells = cells
            arrays.append(array)
        return arrays

    def twin(
        self, params: NodeParams = NODE, before: Node | None = None, *, trace: bool = True
    ) -> Node:
        """The node at transaction level, loaded but not started."""
        if before is not None:
            raise ValueError("A training run must be the first one after a reset")
        node = Node(params, self.arrays(params), trace=trace)
        for (tile, unit), program in self.assembled(params).items():
            node.load(tile, unit, program.words)
        for tile in range(params.tiles):
            memory = node.memory(tile)
            memory.groups[:], memory.valid[:], memory.readers[:] = self.memory(tile, params)
        return node


def unequal_cells(arrays: list[Array], trainer: Trainer) -> int:
    """Cells that are not golden's."""
    count = 0
    for array, matrix in zip(arrays, trainer.matrices, strict=True):
        rows, columns = matrix.shape
        count += np.count_nonzero(array.cells[:, :rows, :columns] != matrix.cells)
    return count


def transaction_level(run: TwoTiles) -> dict[str, Any]:
    """Run the programs on the twin, to the cells that golden has.

    Returns
    -------
    dict
        Cycles, cells compared, and all performance counters.

    Raises
    ------
    RuntimeError
        If a unit stops for a fault, or a cell is not golden's.
    """
    node = run.twin(trace=False)
    node.start(run.starts())
    if not node.run() or any(node.status(*unit).fault for unit in run.starts()):
        raise RuntimeError("All units must halt without a fault")
    trainer = run.train()
    wrong = unequal_cells([core.arrays[0] for core in node.cores], trainer)
    if wrong:
        raise RuntimeError(f"All cells must be golden's, but {wrong} are not")
    return {
        "steps": run.steps,
        "cycles": max(core.cycle for core in node.cores) + 1,
        "cells": sum(matrix.cells.size for matrix in trainer.matrices),
        "tiles": [node.counters(tile) for tile in range(NODE.tiles)],
        "routers": [node.router_counters(tile) for tile in range(NODE.tiles)],
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(transaction_level(TwoTiles(steps=MAX_STEPS)), indent=1))
