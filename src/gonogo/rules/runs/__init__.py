"""Criterion 7: the run configs, one for each run of the plan."""
