"""A convolutional network written down natively, trained in mini-batches with V3 crossbars.

Outer products go at once into copies of the cells; a carry resolution at a batch's end makes them
what is read. The golden model trains the whole set; the node, at transaction level, starts from the
same weights and shows with a few batches that its cells are golden's.
"""

import panther
from panther.compiler.builder import Model

model = Model((1, 8, 8), name="cnn", seed=1)
x = model.input.conv2d(8, kernel=3, padding=1).relu().max_pool(2)
x = x.conv2d(16, kernel=3, padding=1).relu()
x.flatten().linear(10).softmax_cross_entropy()

how = {"data": "digits", "variant": "V3", "batch": 8, "lr": 1 / 8, "schedule": [(2, 0.5)]}
run = panther.train(model, epochs=3, **how)
print(run)
for name, cells in run.cells.items():
    slices, rows, columns = cells.shape
    print(f"{name}: {rows} x {columns} weights in {slices} slices")

few = panther.train(model, epochs=1, examples=20, engine="transaction", check=True, **how)
print(few)
print(f"node: {few.fitted}")
cycles = few.epochs[0].cycles
print(f"{cycles:,} cycles, {cycles // 20:,} an example")
