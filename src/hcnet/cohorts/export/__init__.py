"""Cohorts brought to the layouts of other tools, one tool a file."""
