"""Criterion 9: trial mode."""
