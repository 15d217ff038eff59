"""Values that come from settings: Hydra's config, the command line, a file of settings.

They are data and never tensors.
"""

from __future__ import annotations

from gonogo.analysis.dataflow.values import Attribute, Call, Item, Parameter, Returned, Value, plain
from gonogo.analysis.libraries.objects import is_of_hydra

MAX_STEPS = 40
_CALLS = frozenset({"parse_args", "parse_known_args", "safe_load", "full_load", "vars"})
_FUNCTIONS = frozenset({"omegaconf.OmegaConf.load", "omegaconf.OmegaConf.create", "hydra.compose", "json.load", "json.loads", "toml.load"})
_ANNOTATIONS = frozenset({"DictConfig", "omegaconf.DictConfig", "Namespace", "argparse.Namespace"})


def is_setting(value: Value) -> bool:
    """Return whether a value is an entry of a config or a command-line option.

    It is read by attributes, keys and `get`.
    """
    is_entry = False
    for _ in range(MAX_STEPS):
        value = plain(value)
        if isinstance(value, (Attribute, Item)):
            value, is_entry = value.owner, True
        elif isinstance(value, Call) and value.method == "get" and value.receiver is not None:
            value, is_entry = value.receiver, True
        elif isinstance(value, Returned):
            value = value.value
        else:
            return is_entry and _is_root(value)
    return False


def _is_root(value: Value) -> bool:
    if isinstance(value, Call):
        return value.short in _CALLS or value.name in _FUNCTIONS
    return isinstance(value, Parameter) and (value.annotation.strip("'\"") in _ANNOTATIONS or is_of_hydra(value))
