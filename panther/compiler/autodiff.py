"""Pass: what is computed for an example, forward and backward, in order.

``docs/training.md`` says what each step computes. A function that alone takes a matrix's result is
*fused*: done where the result is, before anybody else sees it, and undone there on the way back.
"""

from dataclasses import dataclass
from enum import StrEnum

from panther.arch.network import LOSSES, Kind, Network, Node


class Does(StrEnum):
    """What a step does."""

    FORWARD = "forward"
    """Computes a node's tensor, through the fused function if there is one."""
    LOSS = "loss"
    """Adds the loss's gradient to the error of ``tensor``."""
    CLEAR = "clear"
    """Makes an error 0 that nobody adds to."""
    ERROR = "error"
    """Brings a matrix's error to its crossbars, back through the fused function."""
    RETURN = "return"
    """Adds to the error of ``tensor``, an input of the node."""
    UPDATE = "update"
    """Applies a matrix's outer products."""


@dataclass(frozen=True)
class Step:
    does: Does
    node: Node
    tensor: str = ""
    first: bool = False
    """Of a loss or a return: nobody has added to this error before."""

    def __str__(self) -> str:
        what = f" {self.tensor}{' first' if self.first else ''}" if self.tensor else ""
        return f"{self.does} {self.node.name}{what}"


FUSED = (Kind.RELU, Kind.SIGMOID, Kind.TANH)


def fused(network: Network, node: Node) -> Node | None:
    """The function fused with a matrix."""
    users = network.users(node.name)
    if node.kind == Kind.MATRIX and len(users) == 1 and users[0].kind in FUSED:
        return users[0]
    return None


def result(network: Network, node: Node) -> Node:
    """The node whose tensor others see: the fused function, or the node itself."""
    return fused(network, node) or node


def differentiate(network: Network) -> tuple[Step, ...]:
    """All steps of an example; updates come as soon as their matrix is not read any more."""
    hidden = {inner.name for node in network.nodes if (inner := fused(network, node))}
    steps = [
        Step(Does.FORWARD, node)
        for node in network.nodes
        if node.kind not in (Kind.INPUT, *LOSSES) and node.name not in hidden
    ]
    needed = network.needs_error()
    begun: set[str] = set()

    def add(does: Does, node: Node, tensor: str) -> None:
        steps.append(Step(does, node, tensor, tensor not in begun))
        begun.add(tensor)

    for node in reversed(network.nodes):
        if node.kind == Kind.INPUT or node.name in hidden:
            continue
        seen = result(network, node).name
        if node.kind not in LOSSES and seen in needed and seen not in begun:
            steps.append(Step(Does.CLEAR, node, seen))
            begun.add(seen)
        if node.kind in LOSSES:
            if node.inputs[0] in needed:
                add(Does.LOSS, node, node.inputs[0])
            continue
        if node.kind == Kind.MATRIX:
            steps.append(Step(Does.ERROR, node))
        if node.kind != Kind.DETACH:
            for tensor in node.inputs:
                if tensor in needed:
                    add(Does.RETURN, node, tensor)
        if node.kind == Kind.MATRIX:
            steps.append(Step(Does.UPDATE, node))
    return tuple(steps)
