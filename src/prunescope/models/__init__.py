"""Architectures. ``registry.build`` makes one from its settings and its data's shape."""
