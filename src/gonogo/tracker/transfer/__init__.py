"""Runs from other trackers, and to them.

The formats are W&B's offline folders, TensorBoard's event files, MLflow's file store, and tables.
"""
