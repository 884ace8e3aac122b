"""Training: one loop for every model, pruned or not."""
