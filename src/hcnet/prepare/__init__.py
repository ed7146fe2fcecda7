"""Preparing a case: grid, breast mask, intensity, cache."""
