"""What a program logs to W&B, and what it asks W&B for."""
