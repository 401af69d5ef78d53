"""Windows over images of words: rows of a crossbar, pools, and the errors behind them.

Images have the shape (examples, height, width, channels). ``at`` is a window: height, width, both
strides, both paddings; what lies outside the image is named where it matters. Windows are visited
in raster order.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
At = tuple[int, int, int, int, int, int]

LOW = -32768
HIGH = 32767


@njit(cache=True, inline="always")
def _saturated(value: int) -> int:
    return min(max(value, LOW), HIGH)


@njit(cache=True)
def gather(image: Ints, at: At, pitch: int, one: int, rows: Ints) -> None:
    """The words of every window as rows of a crossbar, ``pitch`` of them a pixel.

    Rows that no word drives, and those outside the image, must be 0 already.

    Parameters
    ----------
    image : ndarray of int64, shape (examples, height, width, channels)
    at : tuple
    pitch : int
        Rows from one pixel of a window to the next, at least the channels.
    one : int
        The bias word.
    rows : ndarray of int64, shape (examples, output height, output width, rows)
        The bias row is last if there is one more than pixels of the window take.
    """
    kernel_height, kernel_width, stride_y, stride_x, padding_y, padding_x = at
    bias = kernel_height * kernel_width * pitch
    examples, height, width, channels = image.shape
    for b in range(examples):
        for i in range(rows.shape[1]):
            for j in range(rows.shape[2]):
                row = rows[b, i, j]
                for ky in range(kernel_height):
                    y = i * stride_y - padding_y + ky
                    if y < 0 or y >= height:
                        continue
                    for kx in range(kernel_width):
                        x = j * stride_x - padding_x + kx
                        if x < 0 or x >= width:
                            continue
                        first = (ky * kernel_width + kx) * pitch
                        for c in range(channels):
                            row[first + c] = image[b, y, x, c]
                if row.size > bias:
                    row[bias] = one


@njit(cache=True)
def scatter(rows: Ints, at: At, pitch: int, error: Ints) -> None:
    """Add the rows of every window to its words, with saturation, window after window.

    Parameters
    ----------
    rows : ndarray of int64, shape (examples, output height, output width, rows)
        As :func:`gather` lays them out.
    at : tuple
    pitch : int
    error : ndarray of int64, shape (examples, height, width, channels)
    """
    kernel_height, kernel_width, stride_y, stride_x, padding_y, padding_x = at
    examples, height, width, channels = error.shape
    for b in range(examples):
        for i in range(rows.shape[1]):
            for j in range(rows.shape[2]):
                for ky in range(kernel_height):
                    y = i * stride_y - padding_y + ky
                    if y < 0 or y >= height:
                        continue
                    for kx in range(kernel_width):
                        x = j * stride_x - padding_x + kx
                        if x < 0 or x >= width:
                            continue
                        first = (ky * kernel_width + kx) * pitch
                        for c in range(channels):
                            word = error[b, y, x, c] + rows[b, i, j, first + c]
                            error[b, y, x, c] = _saturated(word)


@njit(cache=True)
def max_pool(image: Ints, at: At, pooled: Ints) -> None:
    """The greatest word of every window, what lies outside the image being the least word."""
    kernel_height, kernel_width, stride_y, stride_x, padding_y, padding_x = at
    examples, height, width, channels = image.shape
    pooled[:] = LOW
    for b in range(examples):
        for i in range(pooled.shape[1]):
            for j in range(pooled.shape[2]):
                top, left = i * stride_y - padding_y, j * stride_x - padding_x
                for y in range(max(top, 0), min(top + kernel_height, height)):
                    for x in range(max(left, 0), min(left + kernel_width, width)):
                        for c in range(channels):
                            pooled[b, i, j, c] = max(pooled[b, i, j, c], image[b, y, x, c])


@njit(cache=True)
def max_pool_error(image: Ints, pooled: Ints, e: Ints, at: At, error: Ints) -> None:
    """Add the error of every window to the first of its words that is the greatest. What lies
    outside the image is the least word, and its share is lost.

    ``error`` has the shape of ``image``, ``e`` that of ``pooled``.
    """
    kernel_height, kernel_width, stride_y, stride_x, padding_y, padding_x = at
    examples, height, width, channels = image.shape
    for b in range(examples):
        for i in range(pooled.shape[1]):
            for j in range(pooled.shape[2]):
                top, left = i * stride_y - padding_y, j * stride_x - padding_x
                for c in range(channels):
                    found = False
                    for y in range(top, top + kernel_height):
                        for x in range(left, left + kernel_width):
                            inside = 0 <= y < height and 0 <= x < width
                            word = image[b, y, x, c] if inside else LOW
                            if found or word != pooled[b, i, j, c]:
                                continue
                            found = True
                            if inside:
                                error[b, y, x, c] = _saturated(error[b, y, x, c] + e[b, i, j, c])


@njit(cache=True)
def sum_pool(image: Ints, at: At, pooled: Ints) -> None:
    """The words of every window added with saturation, one after another."""
    kernel_height, kernel_width, stride_y, stride_x, padding_y, padding_x = at
    examples, height, width, channels = image.shape
    pooled[:] = 0
    for b in range(examples):
        for i in range(pooled.shape[1]):
            for j in range(pooled.shape[2]):
                top, left = i * stride_y - padding_y, j * stride_x - padding_x
                for y in range(max(top, 0), min(top + kernel_height, height)):
                    for x in range(max(left, 0), min(left + kernel_width, width)):
                        for c in range(channels):
                            word = pooled[b, i, j, c] + image[b, y, x, c]
                            pooled[b, i, j, c] = _saturated(word)


@njit(cache=True)
def spread(e: Ints, at: At, error: Ints) -> None:
    """Add the word of every window to all its words in the image, with saturation."""
    kernel_height, kernel_width, stride_y, stride_x, padding_y, padding_x = at
    examples, height, width, channels = error.shape
    for b in range(examples):
        for i in range(e.shape[1]):
            for j in range(e.shape[2]):
                top, left = i * stride_y - padding_y, j * stride_x - padding_x
                for y in range(max(top, 0), min(top + kernel_height, height)):
                    for x in range(max(left, 0), min(left + kernel_width, width)):
                        for c in range(channels):
                            error[b, y, x, c] = _saturated(error[b, y, x, c] + e[b, i, j, c])


@njit(cache=True)
def multiply(a: Ints, multiplier: int, shift: int, product: Ints) -> None:
    """``sat(round(a * multiplier >> shift))`` of all words of two flat arrays."""
    half = (1 << shift) >> 1
    for i in range(a.size):
        product[i] = _saturated((a[i] * multiplier + half) >> shift)
