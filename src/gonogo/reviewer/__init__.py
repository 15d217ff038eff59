"""The AI reviewer: a language model is asked what no check can settle, and what it says must survive the facts."""
