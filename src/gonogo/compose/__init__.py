"""Config composition by Hydra itself, in a child process.

The process instantiates nothing and resolves nothing it should not.
"""
