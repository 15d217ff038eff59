"""Criteria 1 and 5: the environment and the dependencies."""
