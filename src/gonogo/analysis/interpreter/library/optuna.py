"""Optuna: its calls are watched, and an objective is called with a trial."""

from __future__ import annotations

from gonogo.analysis.interpreter.library.registry import LIBRARY

LIBRARY.watches("optuna.")
LIBRARY.expects(trial="optuna.Trial")
