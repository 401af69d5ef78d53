"""The training programs of ``examples`` on the twin: every cell of every slice is golden's."""

from dataclasses import replace

import numpy as np
import pytest

from golden.data import digits
from golden.fast import FastMatrix
from golden.train import TrainConfig, Trainer
from models.analog.array import IdealArray
from models.system.core import Core, Status
from panther.arch.presets import CORES
from panther.asm import assemble_file, assemble_text
from panther.sim import ROOT

CORE = CORES["PAPER"]
LAYERS = (64, 32, 10)
DATA = digits(TrainConfig(layers=LAYERS).formats)


def run(name, config, examples, parameters):
    """Golden and twin after the same examples in every epoch; with eager units in that mode."""
    program = assemble_file(ROOT / "examples" / name, CORE)
    golden = Trainer(config, FastMatrix)
    arrays = [IdealArray(CORE.mcu) for _ in range(CORE.mcus)]
    for array, matrix in zip(arrays, golden.matrices, strict=True):
        cells = array.cells
        rows, columns = matrix.shape
        cells[:, :rows, :columns] = matrix.cells
        array.cells = cells
    core = Core(CORE, arrays)
    core.load(np.array(program.words, np.uint64))
    records = np.column_stack([DATA.train_x[:examples], DATA.train_y[:examples]])
    words = np.zeros(CORE.memory_words, np.int16)
    words[: records.size] = records.reshape(-1)
    at = program.symbols["PARAMETERS"]
    words[at : at + len(parameters)] = parameters
    core.load_memory(0, words)
    for m in range(CORE.mcus):
        eager = int(config.mode == "eager")
        core.execute(assemble_text(f"mcfg m{m}, eager, {eager}", CORE).words[0])
    core.start()
    assert core.run() is Status.HALTED
    for _ in range(config.epochs):
        for first in range(0, examples, config.batch):
            chosen = slice(first, first + config.batch)
            golden.batch(DATA.train_x[chosen], DATA.train_y[chosen])
    for array, matrix in zip(arrays, golden.matrices, strict=True):
        rows, columns = matrix.shape
        assert (array.cells[:, :rows, :columns] == matrix.cells).all()
    assert not (golden.matrices[0].cells == Trainer(config, FastMatrix).matrices[0].cells).all()
    return golden


SGD = TrainConfig(layers=LAYERS, params=CORE.mcu, epochs=2)


@pytest.mark.parametrize("period", [1, 16, 77])
def test_sgd_is_goldens(period):
    run("digits.pasm", replace(SGD, crs_period=period), 500, (2, 500, period))


@pytest.mark.parametrize(("batch", "period"), [(4, 16), (16, 16), (16, 10)])
def test_mini_batches_are_goldens(batch, period):
    # the program's rate is 1/32 for the sum over a batch
    config = replace(SGD, mode="lazy", batch=batch, lr=batch / 32, crs_period=period)
    golden = run("digits_batch.pasm", config, 480, (2, 480 // batch, batch, period))
    assert golden.evaluate(DATA.test_x, DATA.test_y) > 0.5


def test_eager_mini_batches_are_goldens():
    """The program of single examples, a CRS after each batch: eager units make it mini-batches."""
    batch = 20
    config = replace(SGD, mode="eager", batch=batch, lr=batch / 32)
    golden = run("digits.pasm", config, 480, (2, 480, batch))
    assert golden.evaluate(DATA.test_x, DATA.test_y) > 0.5
