"""SciPy: rules want to see what its tests are given."""

from __future__ import annotations

from gonogo.analysis.interpreter.library.registry import LIBRARY

LIBRARY.watches("scipy.stats.")
