"""The version of gonogo."""

__version__ = "0.1.0"
