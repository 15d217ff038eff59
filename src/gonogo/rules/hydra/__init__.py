"""Criterion 2: everything comes from the Hydra config."""
