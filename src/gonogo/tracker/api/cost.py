"""The cost of an operation.

A few hundred bytes with many aliases can ask for more than a server answers in a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from gonogo.tracker.store.runs import RefusedError

# What the client asks for at once at most: 1000 runs with some twenty fields each, and some filters.
LIMIT = 250_000
# A filter is held against every run of a project.
FILTERED = 2000
# A page of a list for which no length is given.
PAGE = 50
# Longer pages than these don't cost more: there are hardly so many.
LONGEST = 10_000


def check(document: DocumentNode, variables: Mapping[str, Any]) -> None:
    """Make sure that an operation can be answered in a reasonable time.

    Raises:
        RefusedError: It asks for too much.
    """
    fragments = {part.name.value: part for part in document.definitions if isinstance(part, FragmentDefinitionNode)}
    counter = _Counter(fragments, variables)
    operations = (part for part in document.definitions if isinstance(part, OperationDefinitionNode))
    if max((counter.cost(part.selection_set) for part in operations), default=0) > LIMIT:
        raise RefusedError("the operation asks for too much at once: use fewer aliases, or shorter pages")


class _Counter:
    """Counts the fields of an answer; a fragment is counted once, however often it is used."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]) -> None:
        self._fragments = fragments
        self._variables = variables
        self._known: dict[str, int] = {}

    def cost(self, selection: SelectionSetNode | None) -> int:
        """How many fields an answer to a selection may have."""
        total = 0
        for part in selection.selections if selection else ():
            if isinstance(part, FieldNode):
                total += self._field(part)
            elif isinstance(part, FragmentSpreadNode):
                total += self._fragment(part.name.value)
            else:
                total += self.cost(getattr(part, "selection_set", None))
        return min(total, LIMIT + 1)

    def _field(self, field: FieldNode) -> int:
        arguments = {argument.name.value: argument.value for argument in field.arguments or ()}
        own = 1 + FILTERED * bool("filters" in arguments and self._given(arguments["filters"]))
        if field.selection_set is None:
            return own
        length = self._given(arguments["first"]) if "first" in arguments else None
        times = min(LONGEST, max(1, length)) if isinstance(length, int) else PAGE if "after" in arguments else 1
        return own + times * self.cost(field.selection_set)

    def _fragment(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = 0  # no fragment holds itself: validation has seen to it
            self._known[name] = self.cost(self._fragments[name].selection_set)
        return self._known[name]

    def _given(self, value: Any) -> Any:
        if isinstance(value, VariableNode):
            return self._variables.get(value.name.value)
        return int(value.value) if isinstance(value, IntValueNode) else getattr(value, "value", None)
