"""The host's side of a node: driver and checkpoints."""

from models.system.node import UnitStatus
from panther.host.host import Host, TransferStatus
from panther.host.transaction import TransactionTransport
from panther.host.transport import AccessError, HostError, LimitError, Transport, now

__all__ = [
    "AccessError", "Host", "HostError", "LimitError", "TransactionTransport", "TransferStatus",
    "Transport", "UnitStatus", "now",
]  # fmt: skip
