"""Stage 1: kinds of tissue kinetics, by clustering time-intensity curves."""
