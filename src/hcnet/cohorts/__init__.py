"""Cohorts: cases, and where they come from."""
