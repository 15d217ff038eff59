"""The AI reviewer.

A language model is asked what no check can decide, and its claims must agree with the facts.
"""
