"""The data sets of Hugging Face: rules want to see which one each run loads."""

from __future__ import annotations

from gonogo.analysis.interpreter.library.registry import LIBRARY

LIBRARY.watches_calls("datasets.load_dataset", "datasets.load.load_dataset")
