"""``docs/training.md`` read aloud: one word after another, in Python's own integers."""

import numpy as np

from golden.fast import FastMatrix
from golden.vfu import compute
from panther.arch.isa import Function
from panther.arch.network import LOSSES, Kind, factor, padded


def sat(a):
    return max(-32768, min(32767, int(a)))


def rounded(a, shift):
    return (int(a) + ((1 << shift) >> 1)) >> shift


def table(function, word, fraction=0):
    return int(compute(function, [word], shift=fraction)[0][0])


def pixels(shape):
    return [(i, j) for i in range(shape[0]) for j in range(shape[1])]


class LiteralNetwork:
    """Trains one example at a time; images are arrays of Python's integers.

    Matrices only keep cells, to which outer products go one by one.
    """

    def __init__(self, network, first, plan):
        self.network, self.plan = network, plan
        self.read, self.write = ({n: FastMatrix(plan.mcu, w) for n, w in first.items()}
                                 for _ in range(2))  # fmt: skip
        if plan.variant != "V3":
            self.write = self.read
        self.opas = dict.fromkeys(first, 0)
        self.batches = [[]]

    def window(self, node, i, j):
        """Places of a window: (ky, kx), and the pixel of the input or None."""
        height, width, _ = self.network[node.inputs[0]].shape
        for ky in range(node.kernel[0]):
            for kx in range(node.kernel[1]):
                y = i * node.stride[0] - node.padding[0] + ky
                x = j * node.stride[1] - node.padding[1] + kx
                inside = 0 <= y < height and 0 <= x < width
                yield (ky, kx), (y, x) if inside else None

    def operand(self, node, x, i, j):
        """The row operand at an output pixel."""
        words = []
        for _, place in self.window(node, i, j):
            channels = [0] * x.shape[2] if place is None else list(x[place])
            words += channels + [0] * (padded(x.shape[2]) - x.shape[2])
        if node.bias:
            words.append(sat(1 << self.plan.fraction(self.network, node.inputs[0])))
        return words

    def product(self, weights, driven, size, shift):
        """``weights`` has the shape (driven, read); one tile of driven lines after another."""
        y = []
        for column in range(weights.shape[1]):
            total = 0
            for start in range(0, len(driven), size):
                tile = range(start, min(start + size, len(driven)))
                exact = sum(int(driven[r]) * int(weights[r, column]) for r in tile)
                total = sat(total + sat(rounded(exact, shift)))
            y.append(total)
        return y

    # ---- forward

    def forward(self, x):
        self.weights = {name: matrix.weights for name, matrix in self.read.items()}
        tensors = {}
        for node in self.network.nodes:
            if node.kind in LOSSES:
                continue
            if node.kind == Kind.INPUT:
                tensors[node.name] = np.array(x, object).reshape(node.shape)
                continue
            taken = [tensors[name] for name in node.inputs]
            y = np.zeros(node.shape, object)
            for i, j in pixels(node.shape):
                y[i, j] = self.pixel(node, taken, i, j)
            tensors[node.name] = y
        return tensors

    def pixel(self, node, taken, i, j):
        x, channels = taken[0], range(node.shape[2])
        if node.kind == Kind.MATRIX:
            shift = self.plan.mvm_shift(self.network, node)
            operand = self.operand(node, x, i, j)
            return self.product(self.weights[node.name], operand, self.plan.mcu.rows, shift)
        if node.kind == Kind.RELU:
            return [max(0, x[i, j, c]) for c in channels]
        if node.kind in (Kind.SIGMOID, Kind.TANH):
            function = Function.SIGMOID if node.kind == Kind.SIGMOID else Function.TANH
            fraction = self.plan.fraction(self.network, node.inputs[0])
            return [table(function, x[i, j, c], fraction) for c in channels]
        if node.kind == Kind.MAX_POOL:
            places = [place for _, place in self.window(node, i, j)]
            return [max(x[p][c] if p else -32768 for p in places) for c in channels]
        if node.kind == Kind.AVG_POOL:
            by, sums = factor(1 / (node.kernel[0] * node.kernel[1])), [0] * len(channels)
            for _, place in self.window(node, i, j):
                for c in channels:
                    sums[c] = sat(sums[c] + (x[place][c] if place else 0))
            return [sat(rounded(s * by.multiplier, by.shift)) for s in sums]
        if node.kind == Kind.ADD:
            return [sat(x[i, j, c] + taken[1][i, j, c]) for c in channels]
        assert node.kind == Kind.DETACH
        return list(x[i, j])

    # ---- errors

    def backward(self, tensors, label):
        needed, errors = self.network.needs_error(), {}
        for name in needed:
            parts = []
            for user in reversed(self.network.nodes):
                for taken in user.inputs:
                    if taken == name and user.kind != Kind.DETACH:
                        parts.append(user)
            errors[name] = parts
        done = {}
        for node in reversed(self.network.nodes):
            if node.name not in needed:
                continue
            total = np.zeros(node.shape, object)
            for user in errors[node.name]:
                part = self.contribution(user, tensors, done.get(user.name), label)
                for i, j in pixels(node.shape):
                    total[i, j] = [sat(a + b) for a, b in zip(total[i, j], part[i, j], strict=True)]
            done[node.name] = total
        return done

    def contribution(self, node, tensors, e, label):
        x = tensors[node.inputs[0]]
        back = np.zeros(x.shape, object)
        if node.kind in LOSSES:
            back[0, 0] = self.loss(node, list(x[0, 0]), label)
            return back
        y, channels = tensors[node.name], range(x.shape[2])
        if node.kind == Kind.ADD:
            return e
        for i, j in pixels(node.shape):
            if node.kind == Kind.MATRIX:
                self.through_matrix(node, list(e[i, j]), i, j, back)
            elif node.kind == Kind.RELU:
                back[i, j] = [e[i, j, c] if y[i, j, c] > 0 else 0 for c in channels]
            elif node.kind in (Kind.SIGMOID, Kind.TANH):
                for c in channels:
                    word = y[i, j, c]
                    d = sat(rounded(word * (16384 - word), 14))
                    if node.kind == Kind.TANH:
                        d = 16384 - sat(rounded(word * word, 14))
                    back[i, j, c] = sat(rounded(e[i, j, c] * d, 14))
            elif node.kind == Kind.MAX_POOL:
                for c in channels:
                    places = [p for _, p in self.window(node, i, j)]
                    first = next(p for p in places if (x[p][c] if p else -32768) == y[i, j, c])
                    if first:
                        back[first][c] = sat(back[first][c] + e[i, j, c])
            else:
                assert node.kind == Kind.AVG_POOL
                by = factor(1 / (node.kernel[0] * node.kernel[1]))
                for _, place in self.window(node, i, j):
                    for c in channels if place else ():
                        part = sat(rounded(e[i, j, c] * by.multiplier, by.shift))
                        back[place][c] = sat(back[place][c] + part)
        return back

    def through_matrix(self, node, e, i, j, back):
        shift, mcu = self.plan.mtvm_shift(node), self.plan.mcu
        if node.feedback:
            g = self.product(self.weights[node.name + ".feedback"], e, mcu.rows, shift)
        else:
            g = self.product(self.weights[node.name].T, e, mcu.columns, shift)
        pitch = padded(back.shape[2])
        for (ky, kx), place in self.window(node, i, j):
            for c in range(back.shape[2]) if place else ():
                row = (ky * node.kernel[1] + kx) * pitch + c
                back[place][c] = sat(back[place][c] + g[row])

    def loss(self, node, y, label):
        fraction = self.plan.fraction(self.network, node.inputs[0])
        error = self.plan.error_fraction(node.inputs[0])
        if node.kind == Kind.MSE:
            by = factor(2 / len(y) * 2.0 ** (error - fraction))
            targets = [sat(1 << fraction) if c == label else 0 for c in range(len(y))]
            gaps = [sat(a - t) for a, t in zip(y, targets, strict=True)]
            return [sat(rounded(d * by.multiplier, by.shift)) for d in gaps]
        u = [table(Function.EXP, sat(max(y) - a), fraction) for a in y]
        e = []
        for c, a in enumerate(y):
            q = ((u[c] << error) + sum(u) // 2) // sum(u)
            e.append(q - ((1 << error) if c == label else 0))
            if (a == 32767 and e[c] < 0) or (a == -32768 and e[c] > 0):
                e[c] = 0
        return e

    # ---- updates

    def step(self, x, label):
        """Tensors, errors and updates of one example of a batch."""
        tensors = self.forward(x)
        errors = self.backward(tensors, label)
        updates, pairs = {}, []
        for node in self.network.matrices:
            rate = self.plan.rate(self.network, node, 0)
            u = np.zeros(node.shape, object)
            for i, j in pixels(node.shape):
                u[i, j] = [
                    sat(rounded(-e * rate.multiplier, rate.shift)) for e in errors[node.name][i, j]
                ]
                operand = self.operand(node, tensors[node.inputs[0]], i, j)
                pairs.append((node, operand, list(u[i, j])))
            updates[node.name] = u
        if self.plan.variant == "V2":
            self.batches[0] += pairs
        else:
            self.outer_products(pairs)
        return tensors, errors, updates

    def finish_batch(self):
        if self.plan.variant == "V3":
            for name, matrix in self.write.items():
                matrix.crs()
                self.read[name].load(matrix.cells)
        if self.plan.variant == "V2":
            for age in range(1, len(self.batches)):
                by = factor(self.plan.momentum)
                self.batches[age] = [
                    (node, x, [sat(rounded(a * by.multiplier, by.shift)) for a in u])
                    for node, x, u in self.batches[age]
                ]
            for pairs in self.batches:
                self.outer_products(pairs)
            self.batches = [[], *self.batches][: self.plan.history + 1]

    def outer_products(self, pairs):
        for node, x, u in pairs:
            sides = [(node.name, x, u)]
            if node.feedback:
                sides.append((node.name + ".feedback", u, x))
            for name, rows, columns in sides:
                self.write[name].opa(rows, columns)
                self.opas[name] += 1
                if self.plan.variant != "V3" and self.opas[name] % self.plan.crs_period == 0:
                    self.write[name].crs()
