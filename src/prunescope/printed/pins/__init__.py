"""The score tables of the PINS paper."""
