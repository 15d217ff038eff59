"""Composition by Hydra itself, in a child process that instantiates nothing and resolves nothing it should not."""
