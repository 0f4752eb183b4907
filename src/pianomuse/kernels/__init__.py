"""Compiled loops on NumPy arrays."""
