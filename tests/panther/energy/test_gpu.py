import pytest

from panther.arch.network import Kind, Network, Node
from panther.energy import RTX_2080_TI, GpuParams, gpu_layers

NETWORK = Network(
    (
        Node(name="x", kind=Kind.INPUT, shape=(8, 8, 3)),
        Node(
            name="conv", kind=Kind.MATRIX, inputs=("x",), shape=(8, 8, 16), kernel=(3, 3),
            padding=(1, 1), bias=True,
        ),
        Node(name="fc", kind=Kind.MATRIX, inputs=("conv",), shape=(1, 1, 10), kernel=(8, 8)),
        Node(name="loss", kind=Kind.SOFTMAX, inputs=("fc",), shape=(1, 1, 10)),
    )
)  # fmt: skip


def test_by_hand():
    gpu = GpuParams(flops=1e9, bytes_s=4e9, power_w=100.0)
    conv, fc = gpu_layers(NETWORK, 2, gpu)
    # the convolution: (27 + 1) * 16 weights at 64 pixels, no error for the network's input
    assert (conv.name, conv.is_convolution, conv.macs) == ("conv", True, 64 * 448)
    arithmetic = 2 * (2 * 2 * 64 * 448 / 1e9)  # two kernels bound by sums, not by 2880 words
    update = 3 * 448 / 1e9  # bound by its words
    assert conv.time_s == pytest.approx((arithmetic + update) / 2)
    assert conv.energy_j == pytest.approx(100 * conv.time_s)
    # the other one: 1024 x 10 weights, one pixel, three kernels
    assert (fc.is_convolution, fc.macs) == (False, 10240)
    assert fc.time_s == pytest.approx((3 * 2 * 2 * 10240 / 1e9 + 3 * 10240 / 1e9) / 2)


def test_batch_shares_weights_and_launches():
    one, many = (
        gpu_layers(NETWORK, batch, GpuParams(launch_s=1e-6)) for batch in (1, 100)
    )  # fmt: skip
    for a, b in zip(one, many, strict=True):
        assert b.time_s < a.time_s / 20
    assert gpu_layers(NETWORK, 1)[1].time_s >= 6 * 10240 * 4 / RTX_2080_TI.bytes_s


def test_figures_must_be_possible():
    with pytest.raises(ValueError, match=r"^flops must be a number in the range"):
        GpuParams(flops=0)
    with pytest.raises(ValueError, match=r"^Batch must be"):
        gpu_layers(NETWORK, 0)
