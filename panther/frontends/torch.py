"""PyTorch models, by way of ``torch.export``; needs the extra ``torch``."""

import io
import logging
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panther.compiler.builder import location
from panther.compiler.graph import (
    SUPPORTED,
    Draft,
    Graph,
    ModelError,
    Op,
    Pair,
    Reals,
    frozen_batch_norm,
)

BATCH = 2
"""Examples the model is traced with: one could not be told from an axis of size 1."""
EVAL = "call .eval() on the model first"
_HOME = str(Path(torch.__file__).parent)
_PLACE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


def from_torch(
    module: torch.nn.Module, shape: Sequence[int], *, loss: str = "softmax", name: str = ""
) -> Graph:
    """The graph of a module.

    Parameters
    ----------
    module : torch.nn.Module
        In eval mode; takes one tensor, a batch of examples.
    shape : sequence of int
        Of one example, without the batch axis.
    loss : str
        ``softmax`` or ``mse``: what the module's result is trained with.
    name : str
        Of the graph; the module's class if not given.

    Raises
    ------
    ModelError
        If the module raises, or holds what is not supported.
    """
    name = name or type(module).__name__
    try:
        example = torch.zeros((BATCH, *shape), dtype=next(module.parameters()).dtype)
    except StopIteration:
        raise ModelError([f"{name}: module must have parameters to be trained"]) from None
    try:
        with _quiet():
            program = torch.export.export(module, (example,))
    except Exception as error:
        raise ModelError([_raised(name, error)]) from error
    return _Import(program, Draft(name, shape)).graph(loss)


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch logs and prints what it also raises."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _raised(name: str, error: Exception) -> str:
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_HOME, "<")) and frame.filename != __file__
    ]  # fmt: skip
    where = location(frames[-1].filename, frames[-1].lineno or 0) if frames else name
    text = (str(error).strip() or "no message").splitlines()[0]
    if "data-dependent" in text:
        return f"{where}: what the model does must not depend on the values of its input: {text}"
    return f"{where}: model raises {type(error).__name__}: {text}"


class _Import:
    """One pass over an exported program."""

    def __init__(self, program: Any, draft: Draft) -> None:
        self.draft = draft
        signature = program.graph_signature
        held = {**program.state_dict, **program.constants}
        keys = {**signature.inputs_to_parameters, **signature.inputs_to_buffers,
                **signature.inputs_to_lifted_tensor_constants}  # fmt: skip
        self.constants: dict[str, Reals] = {
            given: _array(held[key]) for given, key in keys.items() if key in held
        }
        self.used: set[str] = set()
        self.nodes = list(program.graph.nodes)
        self.place = {node: place for place, node in enumerate(self.nodes)}
        self.values: dict[Any, str] = {}
        self.same: dict[Any, Any] = {}
        """Of the result of an operation in place: what it was done to."""
        self.viewed: dict[Any, Any] = {}
        """Of a tensor that shares the memory of another: that other."""
        self.inputs = signature.user_inputs

    def graph(self, loss: str) -> Graph:
        outputs = [one for node in self.nodes if node.op == "output" for one in node.args[0]]
        needed = self._needed(outputs)
        given = [node for node in self.nodes if node.name in self.inputs]
        if len(given) != 1 or len(outputs) != 1:
            counts = f"{len(given)} and {len(outputs)}"
            raise ModelError(
                [f"{self.draft.name}: model must take one tensor and return one, not {counts}"]
            )
        self.values[given[0]] = self.draft.input
        for node in self.nodes:
            if node.op == "call_function" and node in needed:
                self.values[node] = self._node(node, last=node is outputs[0])
        end = outputs[0]
        self.draft.loss(self._value(end), loss, source=_source(end))
        return self.draft.finish()

    def _needed(self, outputs: Sequence[Any]) -> set[Any]:
        found: set[Any] = set()
        changed = [
            node for node in self.nodes
            if _in_place(node) and node.args[0].name not in self.constants
        ]  # fmt: skip
        stack = [*outputs, *changed]
        while stack:
            node = stack.pop()
            if node not in found:
                found.add(node)
                stack += node.all_input_nodes
        return found

    def _root(self, node: Any) -> Any:
        while node in self.same:
            node = self.same[node]
        return node

    def _value(self, node: Any) -> str:
        return self.values[self._root(node)]

    def _node(self, node: Any, *, last: bool) -> str:
        arguments = _arguments(node)
        plain = _plain(node)
        shape = _shape(node)
        try:
            if plain in VIEWS:
                self.viewed[node] = node.args[0]
            if _in_place(node):
                self._check_in_place(node)
            handler = HANDLERS.get(plain)
            if handler is None:
                raise ValueError(f"{plain} is not supported; supported: {SUPPORTED}")
            name = handler(self, node, arguments, last)
        except ValueError as error:
            name = self.draft.refuse(
                plain, _in_module(node, str(error)), source=_source(node), shape=shape
            )
        if _in_place(node):
            root = self._root(node.args[0])
            self.same[node] = root
            self.values[root] = name
        return name

    def _check_in_place(self, node: Any) -> None:
        """Nobody may see the change through another view of the same memory."""
        changed = self._root(node.args[0])
        for other in self.place:
            seen = self._root(other)
            late = any(self.place[user] > self.place[node] for user in other.users)
            if seen is not changed and self._memory(seen) is self._memory(changed) and late:
                raise ValueError(
                    "an operation in place on a tensor of which another view is used later is not "
                    "supported; use the one that makes a new tensor"
                )

    def _memory(self, node: Any) -> Any:
        root = self._root(node)
        while root in self.viewed:
            root = self._root(self.viewed[root])
        return root

    def _add(
        self, op: Op, node: Any, *inputs: Any, kernel: Pair = (1, 1), stride: Pair = (1, 1),
        padding: Pair = (0, 0), weights: dict[str, Any] | None = None,
    ) -> str:  # fmt: skip
        arrays = {
            key: self._constant(value) for key, value in (weights or {}).items()
            if value is not None
        }  # fmt: skip
        return self.draft.add(
            op, *(self._tensor(one) for one in inputs), source=_source(node),
            theirs=_plain(node), shape=_shape(node), kernel=kernel, stride=stride,
            padding=padding, weights=arrays,
        )  # fmt: skip

    def _tensor(self, value: Any) -> str:
        if isinstance(value, torch.fx.Node) and self._root(value) in self.values:
            return self._value(value)
        raise ValueError("must take tensors that come from the model's input")

    def _constant(self, value: Any) -> Reals:
        if isinstance(value, np.ndarray):
            return value
        if not isinstance(value, torch.fx.Node) or value.name not in self.constants:
            raise ValueError("weights must be parameters of the model")
        if value.name in self.used:
            raise ValueError("weights shared with another layer are not supported")
        self.used.add(value.name)
        return self.constants[value.name]

    def elementwise(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        return self._add(ELEMENTWISE[_plain(node)], node, node.args[0])

    def linear(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        weights = {"weight": arguments["weight"], "bias": arguments["bias"]}
        return self._add(Op.LINEAR, node, node.args[0], weights=weights)

    def conv2d(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        if arguments["groups"] != 1:
            raise ValueError(f"conv2d: groups must be 1, not {arguments['groups']}")
        _no_dilation("conv2d", arguments)
        kernel = tuple(arguments["weight"].meta["val"].shape[2:])
        padding = arguments["padding"]
        if padding == "same":
            if any(size % 2 == 0 for size in kernel):
                raise ValueError("conv2d: padding 'same' must come with an odd kernel")
            padding = [size // 2 for size in kernel]
        elif padding == "valid":
            padding = [0]
        return self._add(
            Op.CONV2D, node, node.args[0],
            stride=_pair(arguments["stride"]), padding=_pair(padding),
            weights={"weight": arguments["weight"], "bias": arguments["bias"]},
        )  # fmt: skip

    def batch_norm(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        if arguments["training"]:
            raise ValueError(f"batch norm must be frozen: {EVAL}")
        keys = ("weight", "bias", "running_mean", "running_var")
        mean = self._constant(arguments["running_mean"])
        variance = self._constant(arguments["running_var"])
        gamma, beta = (
            default(mean) if arguments[key] is None else self._constant(arguments[key])
            for key, default in zip(keys, (np.ones_like, np.zeros_like), strict=False)
        )
        weights = frozen_batch_norm(gamma, beta, mean, variance, arguments["eps"])
        return self._add(Op.BATCH_NORM, node, node.args[0], weights=weights)

    def pool(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        op = Op.MAX_POOL if _plain(node) == "max_pool2d" else Op.AVG_POOL
        kernel, padding = _pair(arguments["kernel_size"]), _pair(arguments["padding"])
        stride = _pair(arguments["stride"]) if arguments["stride"] else kernel
        _no_dilation(op, arguments)
        sizes = node.args[0].meta["val"].shape[2:]
        if arguments["ceil_mode"] and any(
            (sizes[axis] + 2 * padding[axis] - kernel[axis]) % stride[axis] for axis in (0, 1)
        ):
            raise ValueError(f"{op}: ceil_mode is not supported where windows do not fit evenly")
        if arguments.get("divisor_override") is not None:
            raise ValueError(f"{op}: divisor_override is not supported")
        if not arguments.get("count_include_pad", True) and any(padding):
            raise ValueError(f"{op}: count_include_pad must be True, or padding 0")
        return self._add(op, node, node.args[0], kernel=kernel, stride=stride, padding=padding)

    def adaptive(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        if _pair(arguments["output_size"]) != (1, 1):
            raise ValueError(
                f"adaptive average pool: output size must be 1, not {arguments['output_size']}"
            )
        return self._add(Op.GLOBAL_AVG_POOL, node, node.args[0])

    def mean(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        axes = {axis % 4 for axis in arguments.get("dim") or ()}
        if axes != {2, 3} or node.args[0].meta["val"].dim() != 4:
            raise ValueError("mean must be over height and width")
        name = self._add(Op.GLOBAL_AVG_POOL, node, node.args[0])
        if arguments["keepdim"]:
            return name
        return self.draft.add(Op.FLATTEN, name, source=_source(node), theirs=_plain(node))

    def view(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        name = self._tensor(node.args[0])
        before, after = node.args[0].meta["val"].shape, node.meta["val"].shape
        if tuple(after) == tuple(before):
            return name
        if tuple(after) == (BATCH, before[1:].numel()):
            return self._add(Op.FLATTEN, node, node.args[0])
        raise ValueError(
            f"reshaping must flatten every example to a vector, not {tuple(before)} to "
            f"{tuple(after)} (a batch of {BATCH})"
        )

    def unchanged(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        return self._tensor(node.args[0])

    def dropout(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        if arguments["train"]:
            raise ValueError(f"dropout must be in eval mode: {EVAL}")
        return self._tensor(node.args[0])

    def add(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        if arguments.get("alpha", 1) != 1:
            raise ValueError(f"add: alpha must be 1, not {arguments['alpha']}")
        pair = [arguments["self"], arguments["other"]]
        for one, other in (pair, pair[::-1]):
            if isinstance(other, torch.fx.Node) and other.name in self.constants:
                name = self._tensor(one)
                if self.draft.add_bias(name, self._constant(other)):
                    return name
        return self._add(Op.ADD, node, *pair)

    def softmax(self, node: Any, arguments: dict[str, Any], last: bool) -> str:
        if arguments["dim"] not in (1, -1) or node.meta["val"].dim() != 2:
            raise ValueError("softmax must be over the classes")
        return self.draft.softmax(
            self._tensor(node.args[0]), last=last, source=_source(node), theirs=_plain(node)
        )


ELEMENTWISE = {"relu": Op.RELU, "sigmoid": Op.SIGMOID, "tanh": Op.TANH, "detach": Op.DETACH}
VIEWS = ("detach", "flatten", "view", "reshape", "squeeze", "alias", "dropout", "contiguous")
"""Operations whose result may share the memory of what they take."""
Handler = Callable[[_Import, Any, dict[str, Any], bool], str]
HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(ELEMENTWISE, _Import.elementwise),
    "linear": _Import.linear,
    "conv2d": _Import.conv2d,
    "batch_norm": _Import.batch_norm,
    "max_pool2d": _Import.pool,
    "avg_pool2d": _Import.pool,
    "adaptive_avg_pool2d": _Import.adaptive,
    "mean": _Import.mean,
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze"), _Import.view),
    **dict.fromkeys(("alias", "clone", "contiguous"), _Import.unchanged),
    **dict.fromkeys(("dropout", "feature_dropout"), _Import.dropout),
    "add": _Import.add,
    **dict.fromkeys(("softmax", "log_softmax"), _Import.softmax),
}
"""By what follows ``aten.``, without the underscore of those that work in place."""


def _array(tensor: Any) -> Reals:
    return np.asarray(tensor.detach().to(torch.float64).cpu())


def _arguments(node: Any) -> dict[str, Any]:
    """All arguments by name, those left out with their defaults."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {}
    found: dict[str, Any] = {one.name: one.default_value for one in schema.arguments}
    found |= dict(zip(found, node.args, strict=False))
    found |= node.kwargs
    return found


def _plain(node: Any) -> str:
    return str(node.target).removeprefix("aten.").partition(".")[0].removesuffix("_")


def _in_place(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    return bool(schema and schema.is_mutable and node.args)


def _shape(node: Any) -> tuple[int, ...]:
    value = node.meta.get("val")
    shape = tuple(value.shape) if isinstance(value, torch.Tensor) else ()
    return shape[1:] if shape[:1] == (BATCH,) else ()


def _source(node: Any) -> str:
    """The innermost line that is not torch's."""
    places = [
        place for place in _PLACE.finditer(node.meta.get("stack_trace") or "")
        if not place["file"].startswith((_HOME, "<"))
    ]  # fmt: skip
    return location(places[-1]["file"], int(places[-1]["line"])) if places else ""


def _in_module(node: Any, text: str) -> str:
    """With the name of the submodule where there is no line to name."""
    modules = list((node.meta.get("nn_module_stack") or {}).values())
    path = modules[-1][0] if modules else ""
    return text if _source(node) or not path else f"module {path}: {text}"


def _pair(value: Any) -> Pair:
    both = list(value) if isinstance(value, (list, tuple)) else [value]
    return (int(both[0]), int(both[-1]))


def _no_dilation(what: str, arguments: dict[str, Any]) -> None:
    dilation = _pair(arguments.get("dilation", 1))
    if dilation != (1, 1):
        raise ValueError(f"{what}: dilation must be 1, not {dilation}")
