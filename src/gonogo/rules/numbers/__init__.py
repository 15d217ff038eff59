"""Rules about numbers: arithmetic and metrics that are not what they are taken for, for any training program."""
