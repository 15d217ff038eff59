"""Notebooks: whether their cells, run from the top, do what they show."""
