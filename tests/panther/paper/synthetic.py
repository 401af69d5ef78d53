"""Rows of the task ``cost`` that can be reckoned by hand."""

from panther.paper.machines import RUNS

CROSSBARS = {"conv2d_0": 2, "linear_0": 3}
OPAS = {"conv2d_0": 100.0, "linear_0": 1.0}


def row(machine, model="toy"):
    """A convolution and a linear layer: 10 and 20 accesses of arrays, a hundred lane operations in
    a function that follows the convolution, 7 cycles of a tile's control for all.
    """
    slow = 10 if machine.key == "digital" else 1
    return {
        "model": model, "prices": machine.prices, "timing": machine.timing,
        "cycles": 1000.0 * slow, "crs_cycles": 640 if machine.key == "panther" else 1,
        "layers": ["input", "conv2d_0", "relu_0", "linear_0", ""],
        "layer_crossbars": [0, 2, 0, 3, 0], "layer_convolution": [False, True, False, False, False],
        "layer_busy_cycles": [0.0, 600.0 * slow, 0.0, 200.0 * slow, 0.0],
        "layer_opas": [0.0, 100.0, 0.0, 1.0, 0.0],
        "item_layer": [1, 2, 3, 4],
        "item_price": ["crossbar.mvm_step", "alu.other", "crossbar.pulse", "tile_control.cycle"],
        "item_count": [10.0, 100.0, 20.0, 7.0],
    }  # fmt: skip


def rows():
    """One a machine with a run of its own."""
    return [row(machine) for machine in RUNS]
