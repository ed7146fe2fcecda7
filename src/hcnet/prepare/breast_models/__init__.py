"""Breast masks for whole cohorts: by the classical rule, or by a trained nnU-Net of the user's."""
