"""Rules about repeatability: the same program, the same numbers, for any training program."""
