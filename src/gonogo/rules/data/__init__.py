"""Criterion 3: the data pipeline."""
