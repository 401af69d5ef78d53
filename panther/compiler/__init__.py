"""From a model to the programs that train it."""
