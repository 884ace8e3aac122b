"""Pruning while training: criteria that watch every step, under a schedule of what is left.

No pruner of a study can ask for it yet: the training loop and the configuration do not know it.
"""
