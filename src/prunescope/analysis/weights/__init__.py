"""What pruning leaves of weight matrices: where, how many, how large, and of what rank."""
