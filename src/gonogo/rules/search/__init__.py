"""Criteria 2 and 7: the search for hyper-parameters."""
