"""Train a model: recipe, loss, the loop, the run folder."""
