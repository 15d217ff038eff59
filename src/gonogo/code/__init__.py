"""Facts about source text: Python, YAML and TOML, read and never executed."""
