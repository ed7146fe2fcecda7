"""How many kinds of curves there are: every K, scale and clustering on held-out patients."""
