"""Sweeps: which values a sweep's next run gets, and which of its runs are stopped early."""
