"""The tables and figures of the PIE paper."""
