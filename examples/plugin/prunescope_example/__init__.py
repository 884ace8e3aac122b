"""An example extension of prunescope; its entry points are in pyproject.toml."""
