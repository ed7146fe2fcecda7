"""Inference: the bundle, and segmenting an exam with it."""
