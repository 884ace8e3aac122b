"""Two finished studies beside each other."""
