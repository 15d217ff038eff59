"""YAML and JSON as data with positions, bounded in size and depth."""
