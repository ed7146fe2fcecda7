"""Importers: published collections and loose exams, brought to the cohort layout."""
