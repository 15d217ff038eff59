"""Dry runs of an experiment: its environment, a sandbox, and what was observed.

This package knows no rule.

Everything here is imported where it is needed: the sandbox's launcher starts as a process of its own and must be small.
"""
