"""Facts about Python text: modules, names, calls, paths."""
