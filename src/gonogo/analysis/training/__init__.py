"""What a training program does: its data, models, search and randomness."""
