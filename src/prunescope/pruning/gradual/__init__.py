"""Pruning while training: criteria that watch every step, under a schedule of what is left."""
