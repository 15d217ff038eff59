"""Facts about an experiment's files, read and never executed."""
