"""``panther import``: what a model is made of, and whether it can be trained."""

import math
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from panther.arch.params import McuParams
from panther.cli.errors import UserError

if TYPE_CHECKING:
    from panther.arch.network import Network
    from panther.compiler.graph import Entry, Graph

HEAD = ("node", "operation", "shape", "crossbar", "supported", "source")


def import_(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="FILE.onnx, FILE.py:NAME or a model's name.")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Show node by node what is supported.")
    ] = False,
    shape: Annotated[
        str | None,
        typer.Option("--input", metavar="SHAPE", help="Of one example: 1x8x8. For torch modules."),
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="softmax or mse, for models that do not say it themselves.")
    ] = None,
) -> None:
    """Show the graph of a model, or with --check whether it can be trained.

    NAME is that of a Model, of a torch.nn.Module, or of a function that returns one.
    """
    from panther.compiler.canonicalise import canonicalise
    from panther.compiler.graph import Entry, ModelError, to_text
    from panther.frontends.load import load

    sizes = None if shape is None else _sizes(shape)
    try:
        graph = load(model, shape=sizes, loss=loss)
        network, _ = canonicalise(graph)
    except ModelError as error:
        if check and error.entries:
            print(_table([_row(entry) for entry in error.entries]), end="")
        for problem in error.problems:
            print(f"panther import: error: {' '.join(problem.split())}", file=sys.stderr)
        raise typer.Exit(2) from error
    if not check:
        sys.stdout.write(to_text(graph))
        return
    entries = [Entry(node=node, theirs=node.op) for node in graph.nodes]
    print(_table([_row(entry, network) for entry in entries]), end="")
    print(_summary(graph, network))


def _sizes(text: str) -> tuple[int, ...]:
    if re.fullmatch(r"\d{1,6}(x\d{1,6})*", text) is None:
        raise UserError(f"Input must be a shape such as 1x8x8 or 64, not {text!r}")
    return tuple(int(size) for size in text.split("x"))


def _row(entry: "Entry", network: "Network | None" = None) -> tuple[str, ...]:
    from panther.compiler.graph import Op, shown_shape

    node = entry.node
    shape = shown_shape(node.shape) if node.shape else "-"
    crossbar, verdict = "-", "no" if entry.problem else "yes"
    if network is not None:
        made = {one.name: one for one in network.nodes}.get(node.name)
        if made is not None and made in network.matrices:
            crossbar = f"{network.rows(made)} x {made.shape[2]}"
        if node.op == Op.BATCH_NORM:
            verdict = f"yes, in {node.inputs[0]}"
    return node.name, entry.theirs, shape, crossbar, verdict, node.source or "-"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in (HEAD, *rows)) for i in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (HEAD, *rows)
    ]
    return "".join(f"{line}\n" for line in lines)


def _summary(graph: "Graph", network: "Network") -> str:
    size = McuParams()
    crossbars = sum(
        math.ceil(network.rows(node) / size.rows) * math.ceil(node.shape[2] / size.columns)
        for node in network.matrices
    )
    words = sum(network.rows(node) * node.shape[2] for node in network.matrices)
    lines = [f"note: {note}" for note in graph.notes]
    lines.append(
        f"{graph.name}: supported; {len(network.matrices)} matrices of {words:,} weights on "
        f"{crossbars} crossbars of {size.rows} x {size.columns}"
    )
    return "\n".join(lines)
