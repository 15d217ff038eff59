"""After GO comes the run: every run of an experiment on an engine that exists, then its evaluation."""
