"""Rules about tracking (criterion 6)."""
