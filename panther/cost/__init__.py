"""What training a network costs on a node: time, energy and area, and which layer takes them."""

from panther.cost.layers import GROUPS, Account, account
from panther.cost.measure import CostError, Run, measure, with_cycles

__all__ = ["GROUPS", "Account", "CostError", "Run", "account", "measure", "with_cycles"]
