"""Networks by name, written down natively.

``vgg16`` is the CIFAR variant with two linear layers, 512 and 100 wide, and biases everywhere: the
one that takes 958 crossbars of 128 x 128.
"""

from collections.abc import Callable

from panther.compiler.builder import Model, Tensor
from panther.compiler.graph import Graph

VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Channels of its convolutions; 0: a max pool of 2 x 2."""


def mlp(seed: int = 1) -> Graph:
    """64-32-10, for digits."""
    model = Model((64,), name="mlp", seed=seed)
    model.input.linear(32).relu().linear(10).softmax_cross_entropy()
    return model.graph()


def cnn(seed: int = 1) -> Graph:
    """Two convolutions, a max pool and a linear layer, for digits."""
    model = Model((1, 8, 8), name="cnn", seed=seed)
    x = model.input.conv2d(8, 3, padding=1).relu()
    x = x.conv2d(16, 3, padding=1).relu().max_pool(2)
    x.flatten().linear(10).softmax_cross_entropy()
    return model.graph()


def resnet(seed: int = 1) -> Graph:
    """Two residual blocks, the second at half the resolution, for digits."""
    model = Model((1, 8, 8), name="resnet", seed=seed)
    x = _block(model.input.conv2d(8, 3, padding=1).relu(), 8, 1)
    x = _block(x, 16, 2)
    x.global_avg_pool().flatten().linear(10).softmax_cross_entropy()
    return model.graph()


def _block(x: Tensor, channels: int, stride: int) -> Tensor:
    y = x.conv2d(channels, 3, stride=stride, padding=1).relu().conv2d(channels, 3, padding=1)
    short = x if stride == 1 else x.conv2d(channels, 1, stride=stride)
    return (y + short).relu()


def mlp_l4(seed: int = 1) -> Graph:
    """1024-256-512-512-10 without biases, the paper's."""
    model = Model((1024,), name="mlp-l4", seed=seed)
    x = model.input
    for features in (256, 512, 512):
        x = x.linear(features, bias=False).relu()
    x.linear(10, bias=False).softmax_cross_entropy()
    return model.graph()


def vgg16(seed: int = 1) -> Graph:
    """VGG-16 for CIFAR-100."""
    model = Model((3, 32, 32), name="vgg16", seed=seed)
    x = model.input
    for channels in VGG16:
        x = x.conv2d(channels, 3, padding=1).relu() if channels else x.max_pool(2)
    x.flatten().linear(512).relu().linear(100).softmax_cross_entropy()
    return model.graph()


MODELS: dict[str, Callable[[int], Graph]] = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet": resnet,
    "mlp-l4": mlp_l4,
    "vgg16": vgg16,
}
"""Builders by name; each takes the seed of the first weights."""
