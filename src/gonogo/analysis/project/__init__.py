"""What surrounds the code: entry points, dependencies, the places where config keys are written."""
