"""What a browser is shown at `/`."""
