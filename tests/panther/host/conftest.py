"""A small node at transaction level, and its host."""

import pytest

from cocotb_tests.designs import NODES
from models.system.node import Node
from panther.host import Host, TransactionTransport

PARAMS = NODES["PAIR"]


@pytest.fixture
def new_host():
    """Make a host of a fresh node."""

    def make(params=PARAMS):
        return Host(TransactionTransport(Node(params)))

    return make
