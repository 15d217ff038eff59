"""Rules about training loops, for any training program."""
