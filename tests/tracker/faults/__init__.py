"""What goes wrong around a tracker, made to happen: helpers of `test_faults.py`, and the commands `python -m faults.kills` and others."""
