"""ONNX files onto the graph."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from panther.compiler.builder import Model
from panther.compiler.graph import ModelError, Op
from panther.compiler.graph_interpreter import run_graph
from panther.compiler.models import MODELS
from panther.frontends.onnx import from_onnx
from tests.panther.compiler.random_graphs import random_graph
from tests.panther.frontends.onnx_files import model_of, to_onnx


def imported(tmp_path, model, **options):
    file = tmp_path / "net.onnx"
    onnx.save(model, file)
    return from_onnx(file, **options)


def loss_of(graph):
    return "mse" if graph.losses[0].op == Op.MSE else "softmax"


def check(tmp_path, graph, examples=2):
    """The file of a graph is that graph, and computes what onnx says."""
    model = to_onnx(graph)
    assert imported(tmp_path, model, loss=loss_of(graph)) == graph
    if any(
        one.op == Op.MAX_POOL and any(one.padding) and len({*one.kernel}) == 2
        for one in graph.nodes
    ):
        return  # onnx's own reference gets the shape of these wrong
    x = np.random.default_rng(2).normal(size=(examples, *graph.nodes[0].shape)).astype(np.float32)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    found = run_graph(graph, x.astype(np.float64))[graph.losses[0].inputs[0]]
    assert np.allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("seed", range(60))
def test_random_graph(tmp_path, seed):
    check(tmp_path, random_graph(seed, detach=False))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "vgg16"])
def test_named_network(tmp_path, name):
    check(tmp_path, MODELS[name](3))


def node(kind, inputs, output="y", **attributes):
    return helper.make_node(kind, inputs, [output], name=f"the{kind}", **attributes)


W = np.arange(12, dtype=np.float32).reshape(3, 4)
B = np.array([1, 2, 3], np.float32)
K = np.arange(54, dtype=np.float32).reshape(3, 2, 3, 3)


def linear_model(nodes, output="y", shape=(4,), constants=None, **options):
    return model_of(nodes, {"w": W, "b": B, "wt": W.T.copy(), "k": K, **(constants or {})}, shape,
                    output, **options)  # fmt: skip


def native(build, shape=(4,), loss="softmax_cross_entropy"):
    model = Model(shape)
    getattr(build(model.input), loss)()
    return model.graph()


LINEAR = native(lambda x: x.linear(3, weight=W, bias=B))


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Gemm", ["x", "w", "b"], transB=1)],
        [node("Gemm", ["x", "wt", "b"])],
        [node("MatMul", ["x", "wt"], "z"), node("Add", ["z", "b"])],
        [node("MatMul", ["x", "wt"], "z"), node("Add", ["b", "z"])],
        [node("Identity", ["b"], "bb"), node("Gemm", ["x", "w", "bb"], transB=1)],
        [node("Constant", [], "c", value=numpy_helper.from_array(B)),
         node("Gemm", ["x", "w", "c"], transB=1)],
        [node("Dropout", ["x"], "z"), node("Gemm", ["z", "w", "b"], transB=1)],
        [node("Identity", ["x"], "z"), node("Gemm", ["z", "w", "b"], transB=1)],
        [node("Flatten", ["x"], "z"), node("Gemm", ["z", "w", "b"], transB=1)],
        [node("Gemm", ["x", "w", "b"], "z", transB=1), node("Softmax", ["z"], axis=1)],
        [node("Gemm", ["x", "w", "b"], "z", transB=1), node("LogSoftmax", ["z"])],
        [node("Gemm", ["x", "w", "b"], transB=1), node("Erf", ["y"], "nobody")],
    ],
)  # fmt: skip
def test_ways_to_write_a_linear_layer(tmp_path, nodes):
    graph = imported(tmp_path, linear_model(nodes))
    assert graph == LINEAR
    softmax = nodes[-1].op_type.removeprefix("Log") == "Softmax"
    expected = (f"{nodes[-1].op_type} at the end is part of the loss",) if softmax else ()
    assert graph.notes == expected


FLAT = np.arange(3 * 12, dtype=np.float32).reshape(3, 12)


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Flatten", ["x"], "z")], {}),
        ([node("Flatten", ["x"], "z", axis=-3)], {}),
        ([node("Reshape", ["x", "s"], "z")], {"s": np.array([0, -1])}),
        ([node("Reshape", ["x", "s"], "z")], {"s": np.array([-1, 12])}),
        ([node("Reshape", ["x", "s"], "z")], {"s": np.array([1, 12])}),
        ([node("Shape", ["x"], "a"), node("Gather", ["a", "zero"], "n"),
          node("Concat", ["n", "minus"], "s", axis=0), node("Reshape", ["x", "s"], "z")],
         {"zero": np.array([0]), "minus": np.array([-1])}),
    ],
)  # fmt: skip
def test_ways_to_flatten(tmp_path, nodes, constants):
    model = linear_model(
        [*nodes, node("Gemm", ["z", "flat", "b"], transB=1)], shape=(2, 2, 3),
        constants={"flat": FLAT, **constants},
    )  # fmt: skip
    wanted = native(lambda x: x.flatten().linear(3, weight=FLAT, bias=B), (2, 2, 3))
    assert imported(tmp_path, model) == wanted


@pytest.mark.parametrize(
    ("nodes", "constants", "opset"),
    [
        ([node("GlobalAveragePool", ["x"], "p"), node("Flatten", ["p"], "z")], {}, 20),
        ([node("ReduceMean", ["x", "a"], "z", keepdims=0)], {"a": np.array([2, 3])}, 20),
        ([node("ReduceMean", ["x"], "z", keepdims=0, axes=[-1, -2])], {}, 13),
        ([node("ReduceMean", ["x"], "p", axes=[2, 3]), node("Flatten", ["p"], "z")], {}, 13),
        ([node("GlobalAveragePool", ["x"], "p"), node("Squeeze", ["p", "a"], "z")],
         {"a": np.array([2, 3])}, 13),
        ([node("GlobalAveragePool", ["x"], "p"), node("Squeeze", ["p"], "z", axes=[2, 3])], {}, 11),
    ],
)  # fmt: skip
def test_ways_to_pool_globally(tmp_path, nodes, constants, opset):
    model = linear_model(
        [*nodes, node("Gemm", ["z", "w", "b"], transB=1)], shape=(4, 2, 3), constants=constants,
        opset=opset,
    )  # fmt: skip
    wanted = native(lambda x: x.global_avg_pool().flatten().linear(3, weight=W, bias=B), (4, 2, 3))
    assert imported(tmp_path, model) == wanted


@pytest.mark.parametrize(
    ("attributes", "stride", "padding"),
    [
        ({}, 1, 0),
        ({"auto_pad": "VALID", "strides": [2, 1]}, (2, 1), 0),
        ({"auto_pad": "SAME_UPPER"}, 1, 1),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, 2, 1),
        ({"pads": [0, 2, 0, 2], "strides": [1, 3]}, (1, 3), (0, 2)),
    ],
)
def test_padding(tmp_path, attributes, stride, padding):
    model = linear_model(
        [node("Conv", ["x", "k"], "c", **attributes), node("GlobalAveragePool", ["c"], "p"),
         node("Flatten", ["p"])], shape=(2, 5, 5),
    )  # fmt: skip
    wanted = native(
        lambda x: x.conv2d(3, 3, stride=stride, padding=padding, weight=K, bias=False)
        .global_avg_pool().flatten(), (2, 5, 5),
    )  # fmt: skip
    assert imported(tmp_path, model) == wanted
    x = np.random.default_rng(2).normal(size=(2, 2, 5, 5)).astype(np.float32)
    (result,) = ReferenceEvaluator(model).run(None, {"x": x})
    found = run_graph(wanted, x.astype(np.float64))["flatten_0"]
    assert np.allclose(found, result, rtol=1e-4, atol=1e-2)


def test_batch_norm_with_statistics(tmp_path):
    draw = np.random.default_rng(5)
    constants = {key: draw.uniform(0.5, 2, 3).astype(np.float32) for key in "gbmv"}
    model = linear_model(
        [node("Gemm", ["x", "w"], "z", transB=1),
         node("BatchNormalization", ["z", *"gbmv"], epsilon=1e-3)], constants=constants,
    )  # fmt: skip
    graph = imported(tmp_path, model)
    x = draw.normal(size=(5, 4)).astype(np.float32)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    found = run_graph(graph, x.astype(np.float64))["batch_norm_0"]
    assert np.allclose(found, wanted, rtol=1e-4)


def test_sources_name_file_and_node(tmp_path):
    graph = imported(
        tmp_path,
        linear_model([helper.make_node("Gemm", ["x", "w"], ["z"], transB=1), node("Relu", ["z"])]),
    )
    assert [node.source for node in graph.nodes] == [
        "net.onnx:x", "net.onnx:z", "net.onnx:theRelu", "net.onnx:y",
    ]  # fmt: skip


CONV = {"shape": (2, 5, 5)}
END = [node("GlobalAveragePool", ["c"], "p"), node("Flatten", ["p"])]


@pytest.mark.parametrize(
    ("nodes", "options", "expected"),
    [
        ([node("Gelu", ["x"])], {},
         "net.onnx:theGelu: Gelu_0: Gelu is not supported; supported: linear, conv2d (groups=1,"),
        ([node("FusedGemm", ["x", "w"], domain="com.microsoft")], {},
         "net.onnx:theFusedGemm: FusedGemm_0: FusedGemm of domain com.microsoft is not supported"),
        ([node("Conv", ["x", "g"], "c", group=2), *END],
         {**CONV, "constants": {"g": K[:2, :1]}},
         "net.onnx:theConv: Conv_0: Conv: group must be 1, not 2"),
        ([node("Conv", ["x", "k"], "c", dilations=[2, 2]), *END], CONV,
         "Conv: dilations must be 1, not [2, 2]"),
        ([node("Conv", ["x", "k"], "c", pads=[0, 0, 1, 1]), *END], CONV,
         "Conv: padding must be the same on both sides, not [0, 0, 1, 1]"),
        ([node("Conv", ["x", "k"], "c", auto_pad="SAME_UPPER", strides=[2, 2]), *END],
         {"shape": (2, 4, 4)}, "padding must be the same on both sides, not [0, 0, 1, 1]"),
        ([node("Conv", ["x", "k"], "c", strides=[1]), *END], {"shape": (2, 5)},
         "Conv: must be over 2 axes, not 1"),
        ([node("Conv", ["x", "k"], "c"), *END], {"shape": (3, 5, 5)},
         "theConv: conv2d_0: weight must be 3x3x3x3 to fit its input, not 3x2x3x3"),
        ([node("Gemm", ["x", "w"], transB=1)], {"shape": (5,)},
         "theGemm: linear_0: weight must be 3x5 to fit its input, not 3x4"),
        ([node("Gemm", ["x", "w"], transB=1, alpha=0.5)], {}, "Gemm: alpha must be 1.0, not 0.5"),
        ([node("Gemm", ["x", "w"], transB=1)], {"constants": {"w": W * np.nan}},
         "theGemm: linear_0: weight must be finite, not nan"),
        ([node("Gemm", ["x", "x"], transB=1)], {}, "x must be a constant of the file"),
        ([node("Gemm", ["x", "s"], "z"), node("Gemm", ["z", "s"])],
         {"constants": {"s": np.eye(4, dtype=np.float32)}},
         "weights shared with another layer, s, are not supported"),
        ([node("Add", ["x", "four"])], {"constants": {"four": np.ones(4, np.float32)}},
         "theAdd: Add_0: Add must take two tensors, or a bias right after MatMul"),
        ([node("AveragePool", ["x"], "c", kernel_shape=[3, 3], pads=[1] * 4), *END], CONV,
         "AveragePool: count_include_pad must be 1, or padding 0"),
        ([node("MaxPool", ["x"], "c", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), *END],
         CONV, "MaxPool: ceil_mode is not supported where windows do not fit evenly"),
        ([node("ReduceMean", ["x"], keepdims=0)], CONV, "ReduceMean must be over height and width"),
        ([node("Reshape", ["x", "s"])],
         {**CONV, "constants": {"s": np.array([0, 25, 2])}},
         "Reshape must flatten every example, 2x5x5, to a vector, not to [0, 25, 2]"),
        ([node("Reshape", ["x", "s"])], {**CONV, "constants": {"s": np.array([50, -1])}},
         "to a vector, not to [50, -1]"),
        ([node("Flatten", ["x"], axis=2)], CONV, "Flatten: axis must be 1, not 2"),
        ([node("Softmax", ["x"], "z"), node("Relu", ["z"])], {},
         "theSoftmax: Softmax_0: softmax must be the last operation"),
        ([node("Softmax", ["x"], axis=2)], CONV, "Softmax must be over the classes"),
        ([node("Identity", ["w"])], {}, "net.onnx: output must come from the input"),
        ([node("Relu", ["x"])], {"shape": (2, "n", 3)},
         "net.onnx:x: input must have fixed sizes but for the batch's, not batchx2xnx3"),
        ([node("Relu", ["x"])], {"opset": 6}, "net.onnx: opset must be 7 to"),
        ([node("Relu", ["x"])], {"opset": 99}, "net.onnx:"),
        ([node("Relu", ["nothing"])], {}, "net.onnx: must be a complete ONNX file: "),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, nodes, options, expected):
    model = linear_model(nodes, **options)
    if any(one.domain for one in nodes):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(ModelError, match=re.escape(expected)) as error:
        imported(tmp_path, model)
    assert all("\n" not in problem for problem in error.value.problems)


def test_all_problems_at_once(tmp_path):
    nodes = [node("Gelu", ["x"], "a"), node("Gemm", ["a", "flat", "b"], "c", transB=1),
             node("Sin", ["c"])]  # fmt: skip
    with pytest.raises(ModelError) as error:
        imported(tmp_path, linear_model(nodes, constants={"flat": FLAT}))
    assert [line.partition(": ")[0] for line in error.value.problems] == [
        "net.onnx:theGelu", "net.onnx:theSin",
    ]  # fmt: skip


def test_softmax_wants_its_loss(tmp_path):
    with pytest.raises(ModelError, match="loss must be softmax behind a softmax, not mse"):
        imported(tmp_path, linear_model([node("Softmax", ["x"])]), loss="mse")


def test_one_tensor_in_and_one_out(tmp_path):
    model = linear_model([node("Relu", ["x"])])
    model.graph.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4]))
    with pytest.raises(ModelError, match="must take one tensor and return one, not 1 and 2"):
        imported(tmp_path, model)


def test_input_of_integers(tmp_path):
    model = linear_model([node("Relu", ["x"])], opset=14)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    with pytest.raises(ModelError, match=r"net\.onnx:x: input must hold real numbers"):
        imported(tmp_path, model)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(tmp_path, share):
    whole = to_onnx(MODELS["cnn"](1)).SerializeToString()
    file = tmp_path / "net.onnx"
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelError, match=r"net\.onnx: ") as error:
        from_onnx(file)
    assert len(error.value.problems) == 1


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"no\.onnx: cannot be read: No such file or directory"):
        from_onnx(tmp_path / "no.onnx")
