"""Runs: equal to golden's own training on every engine, and from any checkpoint on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import panther
from golden.network import NetworkTrainer
from panther.arch.network import TrainPlan
from panther.arch.presets import NODES
from panther.train import checkpoint, engines
from panther.train.errors import MismatchError, TrainError
from panther.train.problem import prepare
from tests.panther.train.networks import examples, local_errors, pictures, two_layers, wide

VARIANTS = {"V1": 1, "V2": 4, "V3": 4}
NODE = {"node": "SMALL", "node_parameters": ["memory_words=8192", "instructions=2048"]}


def fitted(model, epochs=2, **how):
    """Cells and accuracies of the golden model's own loop."""
    plan = TrainPlan(epochs=epochs, mcu=NODES["SMALL"].tile.core.mcu, **how)
    problem = prepare(model, examples(model), plan=plan)
    trainer = NetworkTrainer(problem.network, problem.weights, problem.plan)
    accuracy = trainer.fit(problem.data)
    return {name: matrix.cells for name, matrix in trainer.written.items()}, accuracy


def equal(cells, others):
    return cells.keys() == others.keys() and all(
        np.array_equal(cells[name], others[name]) for name in cells
    )


@pytest.mark.parametrize("make", [two_layers, pictures, local_errors])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("engine", ["golden", "transaction"])
def test_a_run_trains_as_golden_does(make, variant, engine):
    # 45 examples: the last batch is short, and neither chunk nor CRS period divides them
    model, how = make(), {"variant": variant, "batch": VARIANTS[variant], "seed": 5, "lr": 1 / 4}
    how["schedule"] = ((1, 0.5),)
    cells, accuracy = fitted(model, crs_period=7, **how)
    run = panther.train(
        model, examples(model), engine=engine, epochs=2, crs_period=7,
        check=engine != "golden", **how, **NODE,
    )  # fmt: skip
    assert equal(run.cells, cells)
    assert run.accuracy == accuracy
    assert [epoch.examples for epoch in run.epochs] == [45, 90]
    assert [epoch.rate for epoch in run.epochs] == [1 / 4, 1 / 8]
    assert run.checks == (2 if engine != "golden" else 0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_wide_layers_train_as_golden_does(variant):
    run = panther.train(
        wide(), examples(wide(), count=3), engine="transaction", check=True, epochs=1,
        variant=variant, batch=min(2, VARIANTS[variant]),
    )  # fmt: skip
    assert run.checks == 1


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("path", ["golden transaction", "transaction golden"])
def test_a_run_goes_on_with_another_engine(tmp_path, monkeypatch, variant, path):
    first, second = path.split()
    model = two_layers()
    how = {"variant": variant, "batch": VARIANTS[variant], "crs_period": 7, "lr": 1 / 4}
    data, folder = examples(model), tmp_path / "run"

    class StoppedError(Exception):
        pass

    def stop(*arguments):
        raise StoppedError

    # the run dies in the middle of its second epoch, behind a checkpoint
    saved = checkpoint.save

    def save(folder, state, *rest):
        saved(folder, state, *rest)
        if state["examples"] > 60:
            stop()

    monkeypatch.setattr(checkpoint, "save", save)
    with pytest.raises(StoppedError):
        panther.train(
            model, data, engine=first, epochs=2, folder=folder, checkpoint_every=10, **how, **NODE
        )
    monkeypatch.setattr(checkpoint, "save", saved)
    run = panther.train(
        model, data, engine=second, epochs=2, folder=folder, resume=True, **how, **NODE
    )
    assert 60 < run.resumed < 90
    cells, accuracy = fitted(model, **how)
    assert equal(run.cells, cells)
    assert run.accuracy == accuracy
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["engine"] for row in rows] == [first, second]
    assert [row["examples"] for row in rows] == ["45", "90"]


@pytest.mark.parametrize("make", [two_layers, pictures, local_errors])
@pytest.mark.parametrize("path", ["golden transaction", "transaction golden", "transaction " * 2])
def test_momentum_goes_on_as_well(tmp_path, make, path):
    model = make()
    how = {"variant": "V2", "batch": 4, "momentum": 0.5, "history": 2, "lr": 1 / 4}
    data, folder = examples(model, count=16), tmp_path / "run"
    whole = panther.train(model, data, epochs=2, **how, **NODE)
    for epochs, engine in enumerate(path.split(), 1):
        run = panther.train(
            model, data, epochs=epochs, engine=engine, check=engine != "golden",
            folder=folder, resume=epochs > 1, **how, **NODE,
        )  # fmt: skip
    assert equal(run.cells, whole.cells)


def test_momentum_at_transaction_level_needs_whole_batches():
    how = {"variant": "V2", "batch": 4, "momentum": 0.5, "history": 2}
    with pytest.raises(TrainError, match=r"must be whole batches of 4 with momentum, .* not 45"):
        panther.train(two_layers(), examples(two_layers()), engine="transaction", **how)


def killed(folder, *options):
    """Start a run, kill it behind its second checkpoint; whether that came in time."""
    command = [sys.executable, "-c", "from panther.cli import main; main()", "train", "mlp"]
    process = subprocess.Popen(
        [*command, "--run", str(folder), *options], stdout=subprocess.DEVNULL
    )
    while process.poll() is None:
        if len(list(folder.glob("checkpoints/*.safetensors"))) > 1:
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.001)
    return process.returncode == -signal.SIGKILL


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path):
    folder = tmp_path / "run"
    assert killed(folder, "--examples", "400", "--epochs", "5", "--checkpoint-every", "40")
    run = panther.train("mlp", examples=400, epochs=5, folder=folder, resume=True)
    assert 0 < run.resumed < 2000
    whole = panther.train("mlp", examples=400, epochs=5)
    assert equal(run.cells, whole.cells)
    assert run.accuracy == whole.accuracy
    assert not list(folder.rglob("*.partial"))


def test_a_damaged_checkpoint_is_told_and_passed_over(tmp_path):
    model, folder = two_layers(), tmp_path / "run"
    how = {"data": examples(model), "folder": folder, "checkpoint_every": 10}
    panther.train(model, epochs=1, **how)
    newest = max((folder / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-5])
    run = panther.train(model, epochs=1, resume=True, **how)
    assert run.resumed == 40
    assert len(run.remarks) == 1
    assert run.remarks[0].startswith(f"{newest}: ")
    assert equal(run.cells, panther.train(model, examples(model), epochs=1).cells)


@pytest.mark.parametrize("byte", [20, 400, -1])
def test_a_changed_byte_is_found(tmp_path, byte):
    model = two_layers()
    panther.train(model, examples(model), epochs=1, folder=tmp_path)
    (path,) = (tmp_path / "checkpoints").iterdir()
    content = bytearray(path.read_bytes())
    content[byte] ^= 1
    path.write_bytes(content)
    with pytest.raises(TrainError, match=f"^{path}: "):
        panther.train(model, examples(model), epochs=2, folder=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 1 / 8}, "with the same plan: lr must be 0.03125, not 0.125"),
        ({"seed": 1}, "with the same plan: seed must be 0, not 1"),
        ({"variant": "V3", "batch": 2}, "with the same plan: batch must be 1, not 2"),
        ({"node": "SMALL"}, "with the same plan: mcu.columns must be 128, not 16"),
        ({"examples": 44}, "with the same data: these data are others"),
    ],
)
def test_another_run_is_not_resumed(tmp_path, change, message):
    model = two_layers()
    panther.train(model, examples(model), epochs=1, folder=tmp_path)
    with pytest.raises(TrainError, match=message):
        panther.train(model, examples(model), epochs=2, folder=tmp_path, resume=True, **change)


def test_another_network_is_not_resumed(tmp_path):
    model = two_layers()
    data = examples(model)
    panther.train(model, data, epochs=1, folder=tmp_path)
    other = type(model)((8,), seed=1)
    other.input.linear(6).tanh().linear(4).softmax_cross_entropy()
    with pytest.raises(TrainError, match=r"the same network: name=relu_0 .*, not name=tanh_0"):
        panther.train(other, data, epochs=2, folder=tmp_path, resume=True)
    other = type(model)((8,), seed=2)
    other.input.linear(6).relu().linear(4).softmax_cross_entropy()
    with pytest.raises(TrainError, match="the same weights: these weights are others"):
        panther.train(other, data, epochs=2, folder=tmp_path, resume=True)


def test_a_run_that_is_over_goes_on_for_more_epochs(tmp_path):
    model = two_layers()
    panther.train(model, examples(model), epochs=1, folder=tmp_path)
    run = panther.train(model, examples(model), epochs=3, folder=tmp_path, resume=True)
    assert run.resumed == 45
    assert equal(run.cells, panther.train(model, examples(model), epochs=3).cells)
    again = panther.train(model, examples(model), epochs=3, folder=tmp_path, resume=True)
    assert again.resumed == 135
    assert equal(again.cells, run.cells)


def test_cells_that_are_not_goldens_end_the_run(monkeypatch):
    model = two_layers()
    run = engines.MachineEngine.run

    def wrong(self, x, labels, **how):
        run(self, x, labels if self._examples else (labels + 1) % 4, **how)

    monkeypatch.setattr(engines.MachineEngine, "run", wrong)
    with pytest.raises(
        MismatchError, match=r"After 45 examples transaction must be as golden: cells/linear_0: \d+"
    ):
        panther.train(model, examples(model), engine="transaction", epochs=1, check=True, **NODE)


def test_the_folder_says_what_was_run(tmp_path):
    model, folder = pictures(), tmp_path / "a" / "b"
    run = panther.train(
        model, examples(model), engine="transaction", epochs=2, folder=folder, **NODE
    )
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "metrics.csv", "report.html", "checkpoints"}
    config = json.loads((folder / "config.json").read_text())
    assert config["model"] == "pictures"
    assert config["plan"]["variant"] == "V1"
    assert config["node"]["tile"]["core"]["mcu"]["rows"] == 16
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in rows] == run.accuracy
    assert all(int(row["cycles"]) > 0 for row in rows)
    assert {"tensor.conv2d_0", "error.linear_0", "cells.conv2d_1"} <= rows[0].keys()
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 6
    assert "http" not in page  # needs nothing else
    assert f"{100 * run.accuracy[-1]:.1f} %" in page


def test_saturation_is_reported():
    model = two_layers()
    data = examples(model)
    loud = (data[0] * 1000, *data[1:])
    run = panther.train(model, (*loud[:2], loud[2] * 1000, loud[3]), epochs=1, lr=1.0)
    assert max(run.epochs[0].saturation.values()) > 0.1


def test_importing_panther_is_cheap():
    text = (
        "import panther, sys; print('numpy' in sys.modules); panther.train\n"
        "print('golden' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lr": "x"}, "Learning rate must be a number, not 'x'"),
        ({"lr": None}, "Learning rate must be a number, not None"),
        ({"epochs": 2.5}, "Epochs must be an integer, not 2.5"),
        ({"examples": 2.5}, "Examples must be an integer, not 2.5"),
        ({"checkpoint_every": "a"}, "Examples between checkpoints must be an integer, not 'a'"),
        ({"node": 3}, "Node must be a name, not 3"),
        ({"batch": True}, "Batch must be an integer, not True"),
    ],
)
def test_arguments_of_the_wrong_kind(wrong, message):
    with pytest.raises(TrainError, match=message):
        panther.train("mlp", **wrong)
