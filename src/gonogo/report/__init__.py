"""A verdict for people and for programs. A report knows a verdict and the texts it points into, and nothing else."""
