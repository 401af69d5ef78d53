"""Train a network that comes as an ONNX file, on data of one's own; stop, and go on elsewhere.

From PyTorch the file would come from ``torch.onnx.export(module, (x,), "model.onnx")``; a module
can also be given as it is: ``panther.train(module, shape=(1, 8, 8))``.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

import panther

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/train-onnx")
folder.mkdir(parents=True, exist_ok=True)
file = folder / "model.onnx"


def save_model() -> None:
    """A strided convolution and a linear layer."""
    rng = np.random.default_rng(0)
    shapes = {"w0": (8, 1, 3, 3), "b0": (8,), "w1": (10, 128), "b1": (10,)}
    tensors = [
        numpy_helper.from_array(
            (rng.normal(size=shape) * (len(shape) > 1) * (2 / np.prod(shape[1:])) ** 0.5)
            .astype(np.float32), name,
        )
        for name, shape in shapes.items()
    ]  # fmt: skip
    window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c"], **window),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "w1", "b1"], ["y"], transB=1),
    ]
    ends = {"x": [1, 1, 8, 8], "y": [1, 10]}
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in ends.items())
    graph = helper.make_graph(nodes, "strided", [x], [y], tensors)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), file)


save_model()
digits = load_digits()
pictures = digits.images / 16
data = (pictures[:200], digits.target[:200], pictures[1500:], digits.target[1500:])

# an epoch with the golden model, then two at transaction level from its checkpoint
run = folder / "run"
shutil.rmtree(run, ignore_errors=True)  # of the last time
how = {"batch": 4, "variant": "V2", "lr": 1 / 8}
panther.train(str(file), data, epochs=1, folder=run, **how)
resumed = panther.train(
    str(file), data, epochs=2, folder=run, resume=True, engine="transaction", **how
)
print(resumed)
whole = panther.train(str(file), data, epochs=2, **how)
same = all(np.array_equal(whole.cells[name], resumed.cells[name]) for name in whole.cells)
print(f"cells are those of golden, uninterrupted: {same}")
sys.exit(0 if same else 1)
