"""The tables and figures of the recall paper."""
