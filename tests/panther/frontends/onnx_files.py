"""Graphs as the ONNX files an exporter would write."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from panther.compiler.graph import Graph, Op

OPSET = 20
PLAIN = {
    Op.RELU: "Relu",
    Op.SIGMOID: "Sigmoid",
    Op.TANH: "Tanh",
    Op.ADD: "Add",
    Op.FLATTEN: "Flatten",
    Op.GLOBAL_AVG_POOL: "GlobalAveragePool",
}


def model_of(nodes, constants, shape, output, *, opset=OPSET, batch="batch", name="net"):
    """A checked file of nodes, from an input ``x``."""
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, "n"])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """The file of a graph, whose loss is left out; weights become float32."""
    nodes, constants = [], {}
    for node in graph.nodes[1:]:
        if node.op in (Op.SOFTMAX_CROSS_ENTROPY, Op.MSE):
            continue
        inputs = ["x" if name == "input_0" else name for name in node.inputs]
        attributes = {}
        for key in node.tensors:
            constants[key] = graph.weights[key].astype(np.float32)
        if node.op in (Op.CONV2D, Op.MAX_POOL, Op.AVG_POOL):
            attributes = {
                "kernel_shape": node.kernel, "strides": node.stride,
                "pads": [*node.padding, *node.padding],
            }  # fmt: skip
        if node.op == Op.CONV2D:
            kind, inputs = "Conv", [*inputs, *node.tensors]
        elif node.op == Op.LINEAR:
            kind, inputs, attributes = "Gemm", [*inputs, *node.tensors], {"transB": 1}
        elif node.op == Op.BATCH_NORM:
            channels = node.shape[0]
            constants[f"{node.name}.mean"] = np.zeros(channels, np.float32)
            constants[f"{node.name}.variance"] = np.ones(channels, np.float32)
            kind, attributes = "BatchNormalization", {"epsilon": 0.0}
            inputs = [*inputs, *node.tensors, f"{node.name}.mean", f"{node.name}.variance"]
        elif node.op == Op.MAX_POOL:
            kind = "MaxPool"
        elif node.op == Op.AVG_POOL:
            kind, attributes = "AveragePool", {**attributes, "count_include_pad": 1}
        else:
            kind = PLAIN[node.op]
        nodes.append(helper.make_node(kind, inputs, [node.name], name=f"{kind}.{node.name}",
                                      **attributes))  # fmt: skip
    return model_of(nodes, constants, graph.nodes[0].shape, graph.losses[0].inputs[0])
