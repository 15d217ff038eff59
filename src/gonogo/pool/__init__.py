"""Many experiments: processes on this machine, or actors on a Ray cluster."""
