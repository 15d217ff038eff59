"""Rules about command-line options."""
