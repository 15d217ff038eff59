"""Operators: each plants one defect in one of its natural forms."""

from benchmarks.planted.operators import data_model, environment, evaluation, hydra, implementation, policy, runs_search, tracking

__all__ = ["data_model", "environment", "evaluation", "hydra", "implementation", "policy", "runs_search", "tracking"]
