"""The machine that gonogo runs on: Python processes of its own, a Ray cluster."""
