"""Evaluation: overlap and surface metrics, and honest statistics."""
