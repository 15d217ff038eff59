"""Storage of names and fields across branches.

What is written in one branch is not seen in another; both are merged afterwards.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from gonogo.analysis.dataflow.values import Value, choice
from gonogo.analysis.python.modules import Module

K = TypeVar("K")


class Store(Generic[K]):
    """A mapping to values, in layers: the arm of a branch writes into a layer of its own."""

    __slots__ = ("layers",)

    def __init__(self) -> None:
        self.layers: list[dict[K, Value]] = [{}]

    def get(self, key: K) -> Value | None:
        """What the key stands for now."""
        for layer in reversed(self.layers):
            if key in layer:
                return layer[key]
        return None

    def set(self, key: K, value: Value) -> None:
        """Write in the layer of the arm that is walked."""
        self.layers[-1][key] = value

    def push(self) -> None:
        """Begin an arm."""
        self.layers.append({})

    def pop(self) -> dict[K, Value]:
        """End an arm: what it wrote."""
        return self.layers.pop()

    def items(self) -> dict[K, Value]:
        """Everything that is there now."""
        found: dict[K, Value] = {}
        for layer in self.layers:
            found.update(layer)
        return found

    def join(self, arms: Iterable[dict[K, Value]], module: Module, node: ast.AST) -> None:
        """Go on after arms of which one was taken; one that wrote nothing counts with what was there before."""
        listed = list(arms)
        if len(listed) == 1:
            self.layers[-1].update(listed[0])
            return
        for key in {key: None for arm in listed for key in arm}:
            values = [arm[key] if key in arm else self.get(key) for arm in listed]
            known = [value for value in values if value is not None]
            first = known[0]
            self.set(key, first if all(value is first for value in known) else choice(module, node, known))


def by_owner(layer: Mapping[tuple[Value, object], Value]) -> dict[Value, dict[object, Value]]:
    """What each object holds, by the part of it."""
    found: dict[Value, dict[object, Value]] = {}
    for (owner, part), value in layer.items():
        found.setdefault(owner, {})[part] = value
    return found
