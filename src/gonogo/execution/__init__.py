"""Running an experiment before it is run: its environment, a sandbox, and what was observed. It knows no rule.

Everything here is imported where it is needed: the sandbox's launcher starts as a process of its own and must be small.
"""
