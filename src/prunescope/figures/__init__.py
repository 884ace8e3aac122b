"""Figures from tables; no statistics here. ``registry`` declares them, ``drawing`` draws them."""
