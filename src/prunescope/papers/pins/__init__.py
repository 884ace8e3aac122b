"""The tables of the PINS paper."""
