"""Reports of a verdict for people and for programs.

A report knows a verdict and the texts that it points into, and nothing else.
"""
