"""Train an MLP on digits at transaction level; golden trains in step, all cells are compared."""

import panther

run = panther.train("mlp", data="digits", engine="transaction", examples=300, epochs=3, check=True)
print(run)
