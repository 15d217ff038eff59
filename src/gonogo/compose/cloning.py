"""Copies of configs, faster than `copy.deepcopy` makes them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from omegaconf import DictConfig, ListConfig
from omegaconf.base import Node, UnionNode


def shallow(instance: Any, _memo: Any = None) -> Any:
    """A copy of an object whose attributes are plain values, without the detour over pickling that `copy` takes."""
    fresh = object.__new__(type(instance))
    fresh.__dict__.update(instance.__dict__)
    return fresh


def clone(node: Any, parent: Any = None) -> Any:
    """What `copy.deepcopy` makes of a config, in a tenth of the time."""
    if not isinstance(node, Node):
        return node
    fresh = object.__new__(type(node))
    state = fresh.__dict__
    state.update(node.__dict__)
    metadata = shallow(node._metadata)
    metadata.flags = dict(metadata.flags) if metadata.flags is not None else None
    metadata.resolver_cache = defaultdict(dict)
    state["_metadata"], state["_parent"], state["_flags_cache"] = metadata, parent, None
    if isinstance(node, (DictConfig, ListConfig, UnionNode)):
        content = node.__dict__["_content"]
        if isinstance(content, dict):
            content = {key: clone(child, fresh) for key, child in content.items()}
        elif isinstance(content, list):
            content = [clone(child, fresh) for child in content]
        elif isinstance(content, Node):
            content = clone(content, fresh)
        state["_content"] = content
    return fresh
