"""Train layer by layer with local errors, without a single product by transposed weights.

In the manner of Mono-Forward (Gong, Li and Abdulla, arXiv 2501.09238) every hidden layer has a
projection onto the classes with a loss of its own, and no error goes from a layer to the one before
it. The projection's error reaches its layer by an MVM of a second, transposed matrix that gets the
same outer products: crossbars that can only be read in one direction are enough.
"""

import panther
from panther.compiler.builder import Model

LAYERS = (48, 32)

model = Model((64,), name="local errors", seed=1)
x = model.input
for width in LAYERS:
    x = x.linear(width).relu()
    x.linear(10, feedback=True).softmax_cross_entropy()  # the layer's own loss
    x = x.detach()  # nothing comes back from what follows
x.linear(10).softmax_cross_entropy()  # its greatest word is the prediction

run = panther.train(model, data="digits", epochs=3)
print(run)

few = panther.train(model, data="digits", epochs=1, examples=50, engine="transaction", check=True)
print(few)
operations = {o for placed in few.fitted.compiled.placed for o in placed.crossbar.operations}
print(f"crossbars are read by: {', '.join(sorted(operations))}")
