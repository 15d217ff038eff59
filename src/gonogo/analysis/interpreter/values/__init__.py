"""The kinds of values, one file each; `base.Value` lists what can be done with any.

| a value that is | is in |
|---|---|
| a number, text, boolean, bytes, None | `scalar`, and the methods of texts in `text_methods` |
| a text with unknown stretches | `text` |
| a path of a file | `file_path` |
| a list, tuple or set | `sequence` |
| a dict | `mapping` |
| a DictConfig, or a dict made of one | `config_node`; `config_data` builds them from plain data |
| a function or method | `function`, `partial`, `builtin`, `bound`, `hydra_main` |
| a class or object of the experiment | `objects` |
| a module of the experiment | `module` |
| from outside the experiment | `outside` |
| one of several | `choice` |
| one thing in some runs and another in others | `varied` |

To add a kind, write a file with a subclass of `Value` that overrides what is known of it. Nothing else has to be edited: all others ask
values only through the operations of `Value`. What changes is kept in `Cells` or a `Field` (see `memory`).
"""

from __future__ import annotations

from gonogo.analysis.interpreter.values import text_methods

__all__ = ["text_methods"]  # imported here because it completes `scalar`
