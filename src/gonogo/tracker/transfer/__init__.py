"""Runs from other trackers, and to them: W&B's offline folders, TensorBoard's event files, MLflow's file store, tables."""
