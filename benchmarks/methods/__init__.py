"""Mistakes of method, planted into training programs of several shapes, and programs that are right and must stay silent."""
