"""Ablation: which part of the method helps, measured arm by arm under one budget."""
