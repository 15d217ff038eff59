"""What the experiment asks the gate to overlook."""
