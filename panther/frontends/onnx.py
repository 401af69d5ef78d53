"""ONNX files; needs the extra ``onnx``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference

from panther.compiler.graph import (
    SUPPORTED,
    Draft,
    Graph,
    ModelError,
    Op,
    Pair,
    Reals,
    Shape,
    frozen_batch_norm,
    shown_shape,
)

OPSETS = (7, onnx.defs.onnx_opset_version())
"""Oldest and newest version of the operator set that is read."""
REALS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)


def from_onnx(file: Path | str, *, loss: str = "softmax") -> Graph:
    """The graph of a file.

    Sources are the file and the name of the node, or of what it yields.

    Parameters
    ----------
    file : path
    loss : str
        ``softmax`` or ``mse``: what the file's result is trained with.

    Raises
    ------
    ModelError
        If it is no complete ONNX file, or holds what is not supported.
    """
    path = Path(file)
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except OSError as error:
        raise ModelError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except Exception as error:  # of several libraries' own kinds
        text = " ".join(str(error).split())
        raise ModelError([f"{path}: must be a complete ONNX file: {text[:200]}"]) from error
    for opset in model.opset_import:
        if opset.domain not in ("", "ai.onnx"):
            continue  # its nodes are refused one by one
        if not OPSETS[0] <= opset.version <= OPSETS[1]:
            raise ModelError(
                [f"{path}: opset must be {OPSETS[0]} to {OPSETS[1]}, not {opset.version}"]
            )
    try:
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception:  # what does not chain is found, and named, node by node
        inferred = model
    return _Import(inferred.graph, path.name).graph(loss)


class _Import:
    """One pass over an ONNX graph."""

    def __init__(self, graph: Any, file: str) -> None:
        self.file = file
        self.nodes = list(graph.node)
        self.outputs = [value.name for value in graph.output]
        self.constants: dict[str, Reals] = {
            value.name: numpy_helper.to_array(value) for value in graph.initializer
        }
        self.shapes = {
            value.name: _dimensions(value)
            for value in (*graph.input, *graph.value_info, *graph.output)
        }
        self.used: set[str] = set()
        given = [value for value in graph.input if value.name not in self.constants]
        if len(given) != 1 or len(self.outputs) != 1:
            counts = f"{len(given)} and {len(self.outputs)}"
            raise ModelError([f"{file}: model must take one tensor and return one, not {counts}"])
        where = f"{file}:{given[0].name}"
        if given[0].type.tensor_type.elem_type not in REALS:
            raise ModelError([f"{where}: input must hold real numbers"])
        shape = _dimensions(given[0])
        self.batch = shape[0] if shape else None
        sizes = tuple(size for size in shape[1:] if isinstance(size, int))
        if not shape or len(sizes) != len(shape) - 1:
            shown = "x".join(str(size or "?") for size in shape) or "unknown"
            raise ModelError(
                [f"{where}: input must have fixed sizes but for the batch's, not {shown}"]
            )
        self.draft = Draft(graph.name or file, sizes, source=where)
        self.values = {given[0].name: self.draft.input}

    def graph(self, loss: str) -> Graph:
        makers = {name: node for node in self.nodes for name in node.output if name}
        needed: set[str] = set()
        stack = list(self.outputs)
        while stack:
            name = stack.pop()
            if name in makers and name not in needed:
                needed.add(name)
                node = makers[name]
                # the shape of a reshape may come from anywhere
                stack += node.input[:1] if node.op_type == "Reshape" else node.input
        for node in self.nodes:
            if needed.intersection(node.output):
                self._node(node)
        end = self.outputs[0]
        if end not in self.values:
            raise ModelError([f"{self.file}: output must come from the input"])
        self.draft.loss(self.values[end], loss, source=f"{self.file}:{end}")
        return self.draft.finish()

    def _node(self, node: Any) -> None:
        if node.op_type == "Constant":
            self._keep_constant(node)
            return
        if node.op_type == "Identity" and node.input[0] in self.constants:
            self.constants[node.output[0]] = self.constants[node.input[0]]
            return
        try:
            if node.domain not in ("", "ai.onnx"):
                raise ValueError(
                    f"{node.op_type} of domain {node.domain} is not supported; "
                    f"supported: {SUPPORTED}"
                )
            handler = HANDLERS.get(node.op_type)
            if handler is None:
                raise ValueError(f"{node.op_type} is not supported; supported: {SUPPORTED}")
            name = handler(self, node, _attributes(node))
        except ValueError as error:
            known = self.shapes.get(node.output[0], ())[1:]
            shape = tuple(size for size in known if isinstance(size, int))
            name = self.draft.refuse(
                node.op_type, str(error), source=self._source(node),
                shape=shape if len(shape) == len(known) else (),
            )  # fmt: skip
        self.values[node.output[0]] = name

    def _keep_constant(self, node: Any) -> None:
        attributes = _attributes(node)
        for key in ("value", "value_float", "value_floats", "value_int", "value_ints"):
            if key in attributes:
                self.constants[node.output[0]] = np.asarray(attributes[key])

    def _source(self, node: Any) -> str:
        return f"{self.file}:{node.name or node.output[0]}"

    def _add(
        self, op: Op, node: Any, *inputs: str, kernel: Pair = (1, 1), stride: Pair = (1, 1),
        padding: Pair = (0, 0), weights: dict[str, Any] | None = None,
    ) -> str:  # fmt: skip
        return self.draft.add(
            op, *(self._tensor(one) for one in inputs), source=self._source(node),
            theirs=node.op_type, kernel=kernel, stride=stride, padding=padding, weights=weights,
        )  # fmt: skip

    def _tensor(self, name: str) -> str:
        if name not in self.values:
            raise ValueError("must take tensors that come from the model's input")
        return self.values[name]

    def _shape(self, name: str) -> Shape:
        return self.draft.shape(self._tensor(name))

    def _constant(self, name: str) -> Reals:
        if name not in self.constants:
            raise ValueError(f"{name} must be a constant of the file")
        return self.constants[name]

    def _weight(self, name: str) -> Reals:
        if name in self.used:
            raise ValueError(f"weights shared with another layer, {name}, are not supported")
        self.used.add(name)
        return self._constant(name).astype(np.float64)

    def elementwise(self, node: Any, attributes: dict[str, Any]) -> str:
        return self._add(ELEMENTWISE[node.op_type], node, node.input[0])

    def gemm(self, node: Any, attributes: dict[str, Any]) -> str:
        for key, wanted in (("alpha", 1.0), ("beta", 1.0), ("transA", 0)):
            if attributes.get(key, wanted) != wanted:
                raise ValueError(f"Gemm: {key} must be {wanted}, not {attributes[key]}")
        weight = self._weight(node.input[1])
        weight = weight if attributes.get("transB", 0) else weight.T
        weights = {"weight": weight}
        if len(node.input) > 2 and node.input[2]:
            bias = self._weight(node.input[2]).reshape(-1)
            weights["bias"] = np.full(len(weight), bias[0]) if bias.size == 1 else bias
        return self._add(Op.LINEAR, node, node.input[0], weights=weights)

    def matmul(self, node: Any, attributes: dict[str, Any]) -> str:
        weight = self._weight(node.input[1])
        if weight.ndim != 2:
            raise ValueError(f"MatMul: weight must have 2 axes, not {weight.ndim}")
        return self._add(Op.LINEAR, node, node.input[0], weights={"weight": weight.T})

    def conv(self, node: Any, attributes: dict[str, Any]) -> str:
        weight = self._weight(node.input[1])
        if weight.ndim != 4:
            raise ValueError(f"Conv: must be over 2 axes, not {weight.ndim - 2}")
        if attributes.get("group", 1) != 1:
            raise ValueError(f"Conv: group must be 1, not {attributes['group']}")
        weights = {"weight": weight}
        if len(node.input) > 2 and node.input[2]:
            weights["bias"] = self._weight(node.input[2])
        kernel = (weight.shape[2], weight.shape[3])
        stride, padding = self._window(node, attributes, kernel)
        return self._add(
            Op.CONV2D, node, node.input[0], stride=stride, padding=padding, weights=weights
        )

    def _window(self, node: Any, attributes: dict[str, Any], kernel: Pair) -> tuple[Pair, Pair]:
        """Stride and padding."""
        what = node.op_type
        dilations = attributes.get("dilations", [1, 1])
        if any(dilation != 1 for dilation in dilations):
            raise ValueError(f"{what}: dilations must be 1, not {dilations}")
        stride = _pair(what, attributes.get("strides", [1, 1]))
        pads = attributes.get("pads", [0] * 4)
        auto = attributes.get("auto_pad", b"NOTSET").decode()
        if auto == "VALID":
            pads = [0] * 4
        elif auto != "NOTSET":
            sizes = self._shape(node.input[0])[1:]
            total = [
                max((-(-size // step) - 1) * step + window - size, 0)
                for size, step, window in zip(sizes, stride, kernel, strict=True)
            ]
            pads = [*(n // 2 for n in total), *(n - n // 2 for n in total)]
        if len(pads) != 4 or pads[:2] != pads[2:]:
            raise ValueError(f"{what}: padding must be the same on both sides, not {pads}")
        return stride, (pads[0], pads[1])

    def pool(self, node: Any, attributes: dict[str, Any]) -> str:
        what = node.op_type
        op = Op.MAX_POOL if what == "MaxPool" else Op.AVG_POOL
        kernel = _pair(what, attributes["kernel_shape"])
        stride, padding = self._window(node, attributes, kernel)
        shape = self._shape(node.input[0])
        if attributes.get("ceil_mode", 0) and any(
            (shape[1 + axis] + 2 * padding[axis] - kernel[axis]) % stride[axis] for axis in (0, 1)
        ):
            raise ValueError(f"{what}: ceil_mode is not supported where windows do not fit evenly")
        if op == Op.AVG_POOL and any(padding) and not attributes.get("count_include_pad", 0):
            raise ValueError(f"{what}: count_include_pad must be 1, or padding 0")
        return self._add(op, node, node.input[0], kernel=kernel, stride=stride, padding=padding)

    def global_pool(self, node: Any, attributes: dict[str, Any]) -> str:
        return self._add(Op.GLOBAL_AVG_POOL, node, node.input[0])

    def mean(self, node: Any, attributes: dict[str, Any]) -> str:
        axes = attributes.get("axes", [])
        if len(node.input) > 1 and node.input[1]:
            axes = self._constant(node.input[1]).tolist()
        if len(self._shape(node.input[0])) != 3 or {axis % 4 for axis in axes} != {2, 3}:
            raise ValueError("ReduceMean must be over height and width")
        name = self._add(Op.GLOBAL_AVG_POOL, node, node.input[0])
        if attributes.get("keepdims", 1):
            return name
        return self.draft.add(Op.FLATTEN, name, source=self._source(node), theirs=node.op_type)

    def batch_norm(self, node: Any, attributes: dict[str, Any]) -> str:
        if attributes.get("training_mode", 0):
            raise ValueError("batch norm must be frozen: export the model in eval mode")
        gamma, beta, mean, variance = (self._weight(name) for name in node.input[1:5])
        weights = frozen_batch_norm(gamma, beta, mean, variance, attributes.get("epsilon", 1e-5))
        return self._add(Op.BATCH_NORM, node, node.input[0], weights=weights)

    def flatten(self, node: Any, attributes: dict[str, Any]) -> str:
        rank = len(self._shape(node.input[0])) + 1
        if attributes.get("axis", 1) not in (1, 1 - rank):
            raise ValueError(f"Flatten: axis must be 1, not {attributes['axis']}")
        return self._add(Op.FLATTEN, node, node.input[0])

    def reshape(self, node: Any, attributes: dict[str, Any]) -> str:
        shape = self._shape(node.input[0])
        size = int(np.prod(shape))
        if node.input[1] in self.constants:
            wanted = self.constants[node.input[1]].tolist()
        else:  # computed from the batch's size: what shape inference found
            wanted = [-1 if size == "" else size for size in self.shapes.get(node.output[0], ())]
        keeps_batch = wanted[:1] in ([0], [1], [-1], [self.batch]) and wanted.count(-1) <= 1
        rest_is_open = wanted[1:] == [-1] or (len(wanted) == 2 and isinstance(wanted[1], str))
        if keeps_batch and (wanted[1:] == [size] or rest_is_open):
            return self._add(Op.FLATTEN, node, node.input[0])
        if keeps_batch and tuple(wanted[1:]) == shape:
            return self._tensor(node.input[0])
        raise ValueError(
            f"Reshape must flatten every example, {shown_shape(shape)}, to a vector, "
            f"not to {wanted}"
        )

    def squeeze(self, node: Any, attributes: dict[str, Any]) -> str:
        shape = self._shape(node.input[0])
        axes = attributes.get("axes", [])
        if len(node.input) > 1 and node.input[1]:
            axes = self._constant(node.input[1]).tolist()
        if len(shape) != 3 or {axis % 4 for axis in axes} != {2, 3} or shape[1:] != (1, 1):
            raise ValueError("Squeeze must remove height and width, both 1")
        return self._add(Op.FLATTEN, node, node.input[0])

    def add(self, node: Any, attributes: dict[str, Any]) -> str:
        pair = list(node.input)
        for one, other in (pair, pair[::-1]):
            if other in self.constants:
                name, bias = self._tensor(one), self._constant(other)
                if other not in self.used and self.draft.add_bias(name, bias.reshape(-1)):
                    self.used.add(other)
                    return name
                raise ValueError("Add must take two tensors, or a bias right after MatMul")
        return self._add(Op.ADD, node, *pair)

    def dropout(self, node: Any, attributes: dict[str, Any]) -> str:
        if len(node.input) > 2 and node.input[2]:
            if self._constant(node.input[2]).any():
                raise ValueError("Dropout must be in eval mode: export the model so")
        return self._tensor(node.input[0])

    def identity(self, node: Any, attributes: dict[str, Any]) -> str:
        return self._tensor(node.input[0])

    def softmax(self, node: Any, attributes: dict[str, Any]) -> str:
        name = self._tensor(node.input[0])
        if attributes.get("axis", -1) not in (1, -1) or len(self.draft.shape(name)) != 1:
            raise ValueError(f"{node.op_type} must be over the classes")
        return self.draft.softmax(
            name, last=node.output[0] == self.outputs[0],
            source=self._source(node), theirs=node.op_type,
        )  # fmt: skip


ELEMENTWISE = {"Relu": Op.RELU, "Sigmoid": Op.SIGMOID, "Tanh": Op.TANH}
Handler = Callable[[_Import, Any, dict[str, Any]], str]
HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(ELEMENTWISE, _Import.elementwise),
    "Gemm": _Import.gemm,
    "MatMul": _Import.matmul,
    "Conv": _Import.conv,
    "MaxPool": _Import.pool,
    "AveragePool": _Import.pool,
    "GlobalAveragePool": _Import.global_pool,
    "ReduceMean": _Import.mean,
    "BatchNormalization": _Import.batch_norm,
    "Flatten": _Import.flatten,
    "Reshape": _Import.reshape,
    "Squeeze": _Import.squeeze,
    "Add": _Import.add,
    "Dropout": _Import.dropout,
    "Identity": _Import.identity,
    "Softmax": _Import.softmax,
    "LogSoftmax": _Import.softmax,
}
"""By type of the node."""


def _attributes(node: Any) -> dict[str, Any]:
    found = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        found[attribute.name] = (
            numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
        )
    return found


def _dimensions(value: Any) -> tuple[int | str, ...]:
    """Sizes, or the names of those that are not fixed."""
    return tuple(
        size.dim_value if size.HasField("dim_value") else size.dim_param
        for size in value.type.tensor_type.shape.dim
    )


def _pair(what: str, values: Sequence[int]) -> Pair:
    if len(values) != 2:
        raise ValueError(f"{what}: must be over 2 axes, not {len(values)}")
    return (values[0], values[1])
