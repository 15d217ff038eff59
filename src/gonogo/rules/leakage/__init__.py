"""Rules about leakage: what the model should not know, for any training program."""
