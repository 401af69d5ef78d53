"""What a machine costs: prices with their sources, and bills of what it did and is made of."""

from panther.energy.activity import CYCLE_S, Energy, Meter
from panther.energy.bill import Bill, Interval, ratio
from panther.energy.gpu import RTX_2080_TI, GpuParams, gpu_layers
from panther.energy.inventory import Inventory, copies_of
from panther.energy.prices import PRICE_SETS, Price, PriceError, PriceSet, load_prices

__all__ = [
    "CYCLE_S", "PRICE_SETS", "RTX_2080_TI", "Bill", "Energy", "GpuParams", "Interval",
    "Inventory", "Meter", "Price", "PriceError", "PriceSet", "copies_of", "gpu_layers",
    "load_prices", "ratio",
]  # fmt: skip
