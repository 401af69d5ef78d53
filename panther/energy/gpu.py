"""A GPU as a roofline: what its peak figures allow at best. A model, nothing measured.

Every layer has three kernels in a training step, forward, backward to its inputs, and gradient of
its weights, and one that updates them. Each takes the longer of what its sums take at peak
arithmetic and what its words take at peak bandwidth, plus the time of a launch; the board draws its
whole power all the while. Real libraries reach less, so times and energies are lower bounds.
"""

from dataclasses import dataclass
from math import prod

from panther.arch.checks import check_range, check_real
from panther.arch.network import Network


@dataclass(frozen=True, kw_only=True)
class GpuParams:
    """Public figures of a board."""

    name: str = "RTX 2080 Ti"
    flops: float = 13.45e12
    """Single precision sums and products a second, at boost clock."""
    bytes_s: float = 616e9
    """Of its memory, a second."""
    power_w: float = 250.0
    area_m2: float = 754e-6
    launch_s: float = 0.0
    """Of a kernel; 0 is the bound of peak figures alone."""
    word_bytes: int = 4
    source: str = "NVIDIA Turing GPU architecture whitepaper, 2018, reference board"

    def __post_init__(self) -> None:
        for name in ("flops", "bytes_s", "power_w"):
            check_real(name, getattr(self, name), 1e-30, 1e30)
        check_real("launch_s", self.launch_s, 0.0, 1.0)


RTX_2080_TI = GpuParams()


@dataclass(frozen=True)
class GpuLayer:
    """One layer of one example on average over a batch."""

    name: str
    is_convolution: bool
    macs: float
    """Of its forward product."""
    time_s: float
    energy_j: float


def gpu_layers(network: Network, batch: int, gpu: GpuParams = RTX_2080_TI) -> list[GpuLayer]:
    """Time and energy an example of every layer with weights takes in a training step.

    Parameters
    ----------
    network : Network
    batch : int
        Examples of a step: they share its weights' traffic and its launches.
    gpu : GpuParams
    """
    check_range("Batch", batch, 1, 1 << 20)
    found = []
    with_error = network.needs_error()
    for node in network.matrices:
        (source,) = node.inputs
        pixels, outputs = node.shape[0] * node.shape[1], node.shape[2]
        window = prod(node.kernel) * network[source].shape[2]
        weights = (window + node.bias) * outputs
        macs = float(pixels * weights)
        words = batch * (prod(network[source].shape) + prod(node.shape)) + weights
        kernels = 2 + (source in with_error)
        time = kernels * _kernel(gpu, 2 * batch * macs, words)
        # weights and their gradients are read, weights written
        time += _kernel(gpu, 2 * weights, 3 * weights)
        time /= batch
        found.append(GpuLayer(node.name, pixels > 1, macs, time, time * gpu.power_w))
    return found


def _kernel(gpu: GpuParams, flops: float, words: float) -> float:
    arithmetic, memory = flops / gpu.flops, words * gpu.word_bytes / gpu.bytes_s
    return gpu.launch_s + max(arithmetic, memory)
