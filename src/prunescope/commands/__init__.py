"""The commands of ``prunescope``: the arguments of each, and the one call that it makes. No science here."""
