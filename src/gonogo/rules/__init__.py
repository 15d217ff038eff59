"""The rules, one file each, found by walking this package.

See `gonogo.rules.base` for what a rule file holds.
"""
