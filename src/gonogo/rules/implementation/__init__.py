"""Criterion 1: the implementation is complete."""
