"""The challenge: the rehearsal once more with one thing altered, and which numbers moved.

These are metamorphic tests (`docs/challenge.md`).
"""
