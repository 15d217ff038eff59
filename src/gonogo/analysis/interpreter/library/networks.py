"""Library models of networks and optimizers.

The calls that build them are watched, not the methods of what they give.
"""

from __future__ import annotations

from gonogo.analysis.interpreter.library.registry import LIBRARY

LIBRARY.watches_calls("timm.create_model", "timm.models.create_model", "torchvision.models.", "transformers.", "peft.", "torch.optim.")
