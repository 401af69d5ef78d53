"""What carries a host's accesses to a node, and what a host complains of."""

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from panther.arch.node import NodeParams

Result = TypeVar("Result")


class HostError(Exception):
    """A node did not do what the host asked for; ``str()`` says who and why."""


class LimitError(HostError):
    """No unit has ended in the time it was given."""


class AccessError(HostError):
    """A node refused an access: SLVERR, or DECERR where there is nothing."""


class Transport(Protocol):
    """A way to a node's two address maps; see :mod:`panther.arch.node_registers`.

    Every method raises :class:`AccessError` if the node refuses.
    """

    @property
    def params(self) -> NodeParams:
        """The node at the other end."""
        ...

    async def read(self, address: int) -> int:
        """A control register."""
        ...

    async def write(self, address: int, value: int) -> None:
        """Set a control register."""
        ...

    async def load(self, address: int, count: int) -> bytes:
        """``count`` bytes of the memories, in one burst."""
        ...

    async def store(self, address: int, data: bytes) -> None:
        """Write to the memories, in one burst."""
        ...

    async def wait(self, limit_cycles: int) -> bool:
        """Let the node go on until its interrupt is pending; False after so many cycles."""
        ...


def now(work: Coroutine[Any, Any, Result]) -> Result:
    """What a host's method returns, for scripts without an event loop.

    For transports that never wait for a loop, as the transaction level's.

    Raises
    ------
    RuntimeError
        If it does wait for one.
    """
    try:
        work.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    work.close()
    raise RuntimeError("Transport must not wait for an event loop here")
