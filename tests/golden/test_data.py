import gzip
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.data import IDX_TYPES, digits, idx_dataset, load_idx, quantise
from panther.arch.formats import Fixed, TrainFormats


def idx(array, kind):
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (8, np.uint8),
        (9, np.int8),
        (11, np.int16),
        (12, np.int32),
        (13, np.float32),
        (14, np.float64),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_every_type_is_read_plain_and_compressed(tmp_path, kind, dtype, suffix):
    array = np.arange(-3, 21).reshape(2, 3, 4).astype(dtype)
    file = tmp_path / f"data{suffix}"
    raw = idx(array, kind)
    file.write_bytes(gzip.compress(raw) if suffix else raw)
    read = load_idx(file)
    assert read.dtype == dtype
    assert (read == array).all()


GOOD = idx(np.zeros((2, 3), np.uint8), 8)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (GOOD[:3], "header must have 4 bytes, not 3: truncated"),
        (b"\x01\x00" + GOOD[2:], "bytes 0 and 1 of the magic must be 0, not 0x0100"),
        (
            b"\x00\x00\x0a" + GOOD[3:],
            "type byte at offset 2 must be one of 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e, not 0x0a",
        ),
        *(
            (
                bytes((0, 0, 8, count)) + bytes(4 * count),
                f"number of dimensions at offset 3 must be in the range [1, 8], not {count}",
            )
            for count in (0, 9, 65, 255)
        ),
        (
            b"\x00\x00\x08\x03" + bytes(4) + b"\xff" * 8,
            "0 x 4294967295 x 4294967295 elements must fit the address space",
        ),
        (GOOD[:9], "sizes of 2 dimensions must end at offset 12, not 9: truncated"),
        (GOOD[:-1], "2 x 3 elements must end at offset 18, not 17: truncated"),
        (GOOD + b"x", "2 x 3 elements must end at offset 18, not 19: trailing bytes"),
    ],
)
def test_damaged_files_are_refused_with_name_and_offset(tmp_path, raw, message):
    file = tmp_path / "data"
    file.write_bytes(raw)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{file}: {message}')}$"):
        load_idx(file)


@given(
    st.binary(max_size=40)
    | st.tuples(
        st.sampled_from(sorted(IDX_TYPES)),
        st.lists(st.sampled_from([0, 1, 2, 3, 2**16, 2**31, 2**32 - 1]), max_size=10),
        st.binary(max_size=12),
    ).map(lambda t: struct.pack(f">HBB{len(t[1])}I", 0, t[0], len(t[1]), *t[1]) + t[2])
)
def test_any_file_is_read_or_refused_by_name(tmp_path_factory, raw):
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(raw)
    try:
        outcome = load_idx(file)
    except ValueError as error:
        outcome = str(error)
    if isinstance(outcome, str):
        assert outcome.startswith(f"{file}: ")
        assert len(outcome.splitlines()) == 1
        assert len(outcome) < len(str(file)) + 300
    else:
        assert outcome.nbytes + 4 + 4 * outcome.ndim == len(raw)


@pytest.mark.parametrize("shape", [(1,) * 8, (0, 3), (0,)])
def test_extreme_shapes_are_read(tmp_path, shape):
    file = tmp_path / "data"
    file.write_bytes(idx(np.zeros(shape, np.uint8), 8))
    assert load_idx(file).shape == shape


def test_missing_and_broken_compressed_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"nothing: file must exist$"):
        load_idx(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r": file must be readable: Is a directory$"):
        load_idx(tmp_path)
    for raw in (GOOD, gzip.compress(GOOD)[:-9]):
        file = tmp_path / "data.gz"
        file.write_bytes(raw)
        with pytest.raises(ValueError, match=r"data\.gz: file must be complete gzip data: "):
            load_idx(file)


def write_mnist(folder, *, train=4, test=2, labels=4):
    rng = np.random.default_rng(0)
    for part, count, marked in (("train", train, labels), ("t10k", test, test)):
        images = rng.integers(0, 256, (count, 3, 2)).astype(np.uint8)
        images[0, 0] = 0, 255
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images, 8))
        marks = gzip.compress(idx(np.arange(marked).astype(np.uint8), 8))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(marks)


def test_data_set_of_four_files(tmp_path):
    write_mnist(tmp_path)
    data = idx_dataset(tmp_path, TrainFormats())
    assert data.train_x.shape == (4, 6)
    assert data.train_x[0, :2].tolist() == [0, 1024]
    assert data.test_y.tolist() == [0, 1]


def test_images_and_labels_must_belong_together(tmp_path):
    write_mnist(tmp_path, labels=3)
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte\.gz: labels must be 4, not 3$"):
        idx_dataset(tmp_path, TrainFormats())
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    write_mnist(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros(3, np.uint8), 8))
    with pytest.raises(
        ValueError, match=r"must be unsigned bytes of 3 dimensions, not uint8 of 1$"
    ):
        idx_dataset(tmp_path, TrainFormats())


def test_images_without_pixels_are_refused(tmp_path):
    write_mnist(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(idx(np.zeros((0, 3, 2), np.uint8), 8))
    expected = f"{file}: images must have at least one pixel, not 0 x 3 x 2"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        idx_dataset(tmp_path, TrainFormats())


def test_digits_are_words_in_a_fixed_split():
    pytest.importorskip("sklearn")
    data = digits(TrainFormats())
    assert data.train_x.shape == (1437, 64)
    assert data.test_x.shape == (360, 64)
    assert data.train_x.min() == 0
    assert data.train_x.max() == 1024
    assert set(data.test_y.tolist()) == set(range(10))
    again = digits(TrainFormats())
    assert (data.train_x == again.train_x).all()


def test_quantise_rounds_saturates_and_refuses_what_is_not_finite():
    fixed = Fixed(bits=8, fraction=4)
    assert quantise([0.5, 100.0, -100.0, 1 / 48], fixed).tolist() == [8, 127, -128, 0]
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"^Data must be finite, not {bad}$"):
            quantise([0.0, bad], fixed)
