"""Training: one loop for every network, pruned or not."""
