"""One experiment: facts, stages, policy, verdict."""
