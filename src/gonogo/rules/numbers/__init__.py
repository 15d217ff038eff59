"""Rules about arithmetic and metrics that are not what they are taken for.

They apply to any training program.
"""
