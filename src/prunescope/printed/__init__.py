"""The tables and figures of the PIE paper, laid out as it prints them, from a study's results."""
