"""What the AI reviewer says and the facts let stand."""
