"""What the gate says of public projects that work."""
