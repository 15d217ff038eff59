"""Rules about whether the result would mean anything."""
