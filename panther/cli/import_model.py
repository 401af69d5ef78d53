"""``panther import``: what a model is made of, and whether it can be trained."""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from panther.arch.network import padded
from panther.arch.params import McuParams
from panther.cli.errors import UserError
from panther.cli.options import Loss, ModelName, Shape

if TYPE_CHECKING:
    from panther.compiler.graph import Entry

HEAD = ("node", "operation", "shape", "crossbar", "supported", "source")


def import_(
    model: ModelName,
    check: Annotated[
        bool, typer.Option("--check", help="Show node by node what is supported.")
    ] = False,
    shape: Shape = None,
    loss: Loss = None,
) -> None:
    """Show the graph of a model, or with --check whether it can be trained.

    NAME is that of a Model, of a torch.nn.Module, or of a function that returns one.
    """
    from panther.compiler.canonicalise import canonicalise
    from panther.compiler.graph import Entry, ModelError, to_text
    from panther.frontends.load import load

    sizes = None if shape is None else sizes_of(shape)
    try:
        graph = load(model, shape=sizes, loss=loss)
        network, _ = canonicalise(graph)
    except ModelError as error:
        if check and error.entries:
            print(_report(error.entries, _crossbars(error.entries)), end="")
        for problem in error.problems:
            print(f"panther import: error: {' '.join(problem.split())}", file=sys.stderr)
        raise typer.Exit(2) from error
    if not check:
        sys.stdout.write(to_text(graph))
        return
    entries = [Entry(node=node, theirs=node.op) for node in graph.nodes]
    crossbars = {node.name: (network.rows(node), node.shape[2]) for node in network.matrices}
    print(_report(entries, crossbars), end="")
    for note in graph.notes:
        print(f"note: {note}")
    size = McuParams()
    count = sum(
        math.ceil(rows / size.rows) * math.ceil(columns / size.columns)
        for rows, columns in crossbars.values()
    )
    words = sum(math.prod(one) for one in crossbars.values())
    print(
        f"{graph.name}: supported; {words:,} weights take {count} of the paper's crossbars of "
        f"{size.rows} x {size.columns}"
    )


def sizes_of(text: str) -> tuple[int, ...]:
    if re.fullmatch(r"\d{1,6}(x\d{1,6})*", text) is None:
        raise UserError(f"Input must be a shape such as 1x8x8 or 64, not {text!r}")
    return tuple(int(size) for size in text.split("x"))


def _crossbars(entries: Sequence["Entry"]) -> dict[str, tuple[int, int]]:
    """Rows and columns, as far as a model is understood that cannot be used as a whole."""
    from panther.compiler.graph import ELEMENTWISE, Op

    nodes = {entry.node.name: entry.node for entry in entries}
    found = {}
    for entry in entries:
        node = entry.node
        if entry.problem or node.op not in (Op.LINEAR, Op.CONV2D) or not node.shape:
            continue
        before = nodes[node.inputs[0]]
        shape, window = before.shape, node.kernel
        while node.op == Op.LINEAR and before.op in (*ELEMENTWISE, Op.FLATTEN) and before.inputs:
            flattened, before = before.op == Op.FLATTEN, nodes[before.inputs[0]]
            if flattened and before.op != Op.INPUT:
                shape, window = before.shape[:1], (before.shape[1], before.shape[2])
        if shape:
            found[node.name] = (padded(shape[0]) * math.prod(window) + node.bias, node.shape[0])
    return found


def _report(entries: Sequence["Entry"], crossbars: Mapping[str, tuple[int, int]]) -> str:
    """A line for every node, and below it why it cannot be used."""
    from panther.compiler.graph import shown_shape

    rows = [
        (
            entry.node.name,
            entry.theirs,
            shown_shape(entry.node.shape) if entry.node.shape else "-",
            "{} x {}".format(*crossbars[entry.node.name]) if entry.node.name in crossbars else "-",
            "no" if entry.problem else "yes",
            entry.node.source or "-",
        )
        for entry in entries
    ]
    widths = [max(len(row[i]) for row in (HEAD, *rows)) for i in range(len(HEAD))]
    lines = []
    for row, why in zip((HEAD, *rows), ("", *(entry.problem for entry in entries)), strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        lines += [f"    {why}"] if why else []
    return "".join(f"{line}\n" for line in lines)
