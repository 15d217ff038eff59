"""Rules about the model (criterion 4)."""
