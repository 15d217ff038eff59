"""The mutation benchmark: defects planted into golden experiments, and what the gate says of them.

Run it with `uv run python -m benchmarks.planted`; see `__main__.py`.
"""
