"""Data sets as words: scikit-learn's bundled digits, and files in MNIST's IDX format."""

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.fixed import Ints
from panther.arch.formats import Fixed, TrainFormats

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Type byte of an IDX file and what it stands for."""

MAX_DIMENSIONS = 8
"""Of an IDX file."""

SPLIT_SEED = 20200
TEST_SHARE = 5
"""One example in so many is for testing."""


@dataclass(frozen=True)
class Dataset:
    """Examples for training and for testing."""

    train_x: Ints
    """Activation words, shape (examples, inputs)."""
    train_y: Ints
    """Labels, shape (examples,)."""
    test_x: Ints
    """Activation words, shape (examples, inputs)."""
    test_y: Ints
    """Labels, shape (examples,)."""


def quantise(values: Any, fixed: Fixed) -> Ints:
    """Real numbers as words: rounded to nearest (ties to even), saturated.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    real = np.asarray(values, np.float64)
    if not np.isfinite(real).all():
        raise ValueError(f"Data must be finite, not {real[~np.isfinite(real)].flat[0]}")
    scaled = np.rint(np.ldexp(real, fixed.fraction))
    return np.clip(scaled, fixed.low, fixed.high).astype(np.int64)


def digits(formats: TrainFormats) -> Dataset:
    """Handwritten digits of 8 x 8 pixels, 1437 for training and 360 for testing.

    Pixels are 0 to 16 sixteenths. The split is fixed, drawn once from a seeded permutation.
    Source: the copy bundled with scikit-learn of the UCI set "Optical Recognition of Handwritten
    Digits" (its test part).

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = quantise(bunch.data / 16, formats.activation)
    y = bunch.target.astype(np.int64)
    order = np.random.Generator(np.random.PCG64(SPLIT_SEED)).permutation(len(x))
    test = math.ceil(len(x) / TEST_SHARE)
    return Dataset(x[order[test:]], y[order[test:]], x[order[:test]], y[order[:test]])


def load_idx(path: str | Path) -> NDArray[Any]:
    """Read a file in IDX format, plain or, if its name ends in ``.gz``, compressed.

    Two zero bytes, a type byte, a byte with the number of dimensions, each dimension as a
    big-endian 32-bit number, then the elements.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray
        In the native byte order.

    Raises
    ------
    ValueError
        If the file is missing, damaged, of an unsupported type, or longer than it says; the
        message is one line that names the file and the offset.
    """
    file = Path(path)
    try:
        raw = file.read_bytes()
        if file.suffix == ".gz":
            raw = gzip.decompress(raw)
    except FileNotFoundError:
        raise ValueError(f"{file}: file must exist") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{file}: file must be complete gzip data: {error}") from None
    except OSError as error:
        raise ValueError(f"{file}: file must be readable: {error.strerror}") from None
    if len(raw) < 4:
        raise ValueError(f"{file}: header must have 4 bytes, not {len(raw)}: truncated")
    if raw[0] or raw[1]:
        raise ValueError(f"{file}: bytes 0 and 1 of the magic must be 0, not 0x{raw[:2].hex()}")
    if (kind := IDX_TYPES.get(raw[2])) is None:
        known = ", ".join(f"0x{code:02x}" for code in IDX_TYPES)
        raise ValueError(
            f"{file}: type byte at offset 2 must be one of {known}, not 0x{raw[2]:02x}"
        )
    dimensions, start = raw[3], 4 + 4 * raw[3]
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise ValueError(
            f"{file}: number of dimensions at offset 3 must be in the range "
            f"[1, {MAX_DIMENSIONS}], not {dimensions}"
        )
    if len(raw) < start:
        raise ValueError(
            f"{file}: sizes of {dimensions} dimensions must end at offset {start}, "
            f"not {len(raw)}: truncated"
        )
    shape = tuple(int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions))
    dtype = np.dtype(kind)
    sizes = " x ".join(map(str, shape))
    end = start + math.prod(shape) * dtype.itemsize
    if len(raw) != end:
        what = "truncated" if len(raw) < end else "trailing bytes"
        raise ValueError(
            f"{file}: {sizes} elements must end at offset {end}, not {len(raw)}: {what}"
        )
    try:
        array = np.frombuffer(raw, dtype, offset=start).reshape(shape)
    except ValueError:  # no elements, but the other sizes overflow
        raise ValueError(f"{file}: {sizes} elements must fit the address space") from None
    return array.astype(dtype.newbyteorder("="))


def idx_dataset(directory: str | Path, formats: TrainFormats) -> Dataset:
    """The four files of MNIST, or of any set in the same form, each plain or ``.gz``.

    Pixels 0 to 255 become activation words of ``pixel / 255``, rounded to nearest, ties up.

    Raises
    ------
    ValueError
        If a file is missing or damaged, or images and labels do not belong together.
    """
    folder = Path(directory)
    train = _idx_pair(folder, "train", formats)
    test = _idx_pair(folder, "t10k", formats)
    if train[0].shape[1] != test[0].shape[1]:
        raise ValueError(
            f"{folder}: test images must have the {train[0].shape[1]} pixels of the training "
            f"images, not {test[0].shape[1]}"
        )
    return Dataset(*train, *test)


def _idx_pair(folder: Path, part: str, formats: TrainFormats) -> tuple[Ints, Ints]:
    images_file = _either(folder / f"{part}-images-idx3-ubyte")
    labels_file = _either(folder / f"{part}-labels-idx1-ubyte")
    images, labels = load_idx(images_file), load_idx(labels_file)
    for file, array, dimensions in ((images_file, images, 3), (labels_file, labels, 1)):
        if array.ndim != dimensions or array.dtype != np.uint8:
            raise ValueError(
                f"{file}: data must be unsigned bytes of {dimensions} dimensions, "
                f"not {array.dtype} of {array.ndim}"
            )
    if images.size == 0:
        sizes = " x ".join(map(str, images.shape))
        raise ValueError(f"{images_file}: images must have at least one pixel, not {sizes}")
    if len(images) != len(labels):
        raise ValueError(f"{labels_file}: labels must be {len(images)}, not {len(labels)}")
    pixels = images.reshape(len(images), -1).astype(np.int64)
    return _unit(pixels, 255, formats.activation), labels.astype(np.int64)


def _unit(pixels: Ints, full: int, fixed: Fixed) -> Ints:
    """``pixels / full`` as words, in integers only."""
    words: Ints = ((pixels << (fixed.fraction + 1)) + full) // (2 * full)
    return np.minimum(words, fixed.high)


def _either(file: Path) -> Path:
    """The file, or its compressed form where only that exists."""
    packed = file.with_name(file.name + ".gz")
    return packed if packed.exists() and not file.exists() else file
