"""Criterion 8: evaluation, apart from training and through the tracker alone."""
