"""Criterion 5: which files there are."""
