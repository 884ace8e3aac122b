"""A pruned model as a small file: 8-bit weights in compressed sparse rows."""
