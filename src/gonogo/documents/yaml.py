"""A YAML file as value and as places: what it says, and where each key stands.

Values are read as OmegaConf reads them, since that is what Hydra will see: `1e-4` is a number,
dates are texts, a key given twice is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import yaml

from gonogo.documents.limits import MAX_DEPTH, LimitError, check_size

KeyPath = tuple[str | int, ...]

MAX_NODES = 200_000
MAX_INTERPOLATIONS = 200  # in one text: OmegaConf's parser takes time with the square of them, and recurses where they are nested
_COMPACT = re.compile(r"(?:[-?:]\s++){50}")  # `- - - x`: nested without indentation


@dataclass(frozen=True)
class YamlError:
    """Why a text is not usable YAML, with its 1-based place.

    Attributes:
        is_limit: it may be YAML, but there is too much of it to look.
    """

    message: str
    line: int
    column: int
    is_limit: bool = False


@dataclass(frozen=True)
class Place:
    """Where a key stands: 1-based line and column, and the column after its last character."""

    line: int
    column: int
    end_column: int


@dataclass
class YamlDocument:
    """The first document of a YAML text. `places` maps key paths to where the key (or list item) stands."""

    value: Any = None
    error: YamlError | None = None
    places: dict[KeyPath, Place] = field(default_factory=dict)

    def top_level_keys(self) -> set[str]:
        """The keys of the mapping at the top, none if it is not a mapping."""
        return {key for key in self.value if isinstance(key, str)} if isinstance(self.value, dict) else set()

    def get(self, path: KeyPath, default: Any = None) -> Any:
        """The value at a path, `default` if there is none."""
        value = self.value
        for key in path:
            if isinstance(value, dict):
                found = key in value
            else:
                found = isinstance(value, list) and isinstance(key, int) and key < len(value)
            if not found:
                return default
            value = value[key]
        return value

    @cached_property
    def leaves(self) -> list[KeyPath]:
        """The paths of everything that is not a mapping (an empty mapping counts as a leaf)."""
        paths = [path for path in self.places if not any(isinstance(key, int) for key in path)]
        return [path for path in paths if not (isinstance(value := self.get(path), dict) and value)]


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """PyYAML's safe loader with OmegaConf's idea of scalars."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""^(?:[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
        |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
        |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
        re.X,
    ),
    list("-+0123456789."),
)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


@lru_cache(maxsize=512)
def parse_yaml(text: str) -> YamlDocument:
    """Parse the first document of a text; a fault comes back as `error`, never as an exception.

    Alias bombs (more than `MAX_NODES` nodes when expanded) and nesting deeper than `MAX_DEPTH` are beyond what is looked at: the tools that
    would expand them later can't survive them. An anchor that contains itself is a fault.
    """
    try:
        check_text(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return YamlDocument()
            document = YamlDocument()
            check_nodes(node)
            _collect(node, (), document.places)
            document.value = loader.construct_document(node)
            return document
        finally:
            loader.dispose()
    except LimitError as error:
        return YamlDocument(error=YamlError(error.message, error.line, error.column, is_limit=True))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(str(part) for part in (error.problem, error.context and f"({error.context})") if part)
        return YamlDocument(error=YamlError(message, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1))
    except yaml.YAMLError as error:
        return YamlDocument(error=YamlError(" ".join(str(error).split()), 1, 1))
    except (ValueError, RecursionError) as error:  # e.g. an int of 5,000 digits, a date that is none
        return YamlDocument(error=YamlError(str(error) or type(error).__name__, 1, 1))


@lru_cache(maxsize=65_536)
def yaml_fault(text: str) -> YamlError | None:
    """Why a text does not parse, None if it does; kept of many more texts than whole documents are."""
    return parse_yaml(text).error


def _violation(message: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=message, problem_mark=mark)


def _beyond(message: str, mark: Any) -> LimitError:
    return LimitError(message, mark.line + 1, mark.column + 1)


def _may_be_deep(text: str) -> bool:
    brackets = text.count("[") + text.count("{")
    return brackets > MAX_DEPTH or " " * MAX_DEPTH in text or _COMPACT.search(text) is not None


def check_text(text: str) -> None:
    """Reject a text that is too large, or nested so deeply that the parser would crash.

    The parser recurses in C.

    Raises:
        LimitError: it is.
        yaml.YAMLError: it is no YAML.
    """
    check_size(text)
    if not _may_be_deep(text):
        return
    depth = 0
    for event in yaml.parse(text, _Base):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _beyond(f"nested more than {MAX_DEPTH} levels deep", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def check_nodes(root: yaml.Node) -> None:
    """Count nodes as if every alias were expanded, without expanding any.

    Interpolations in one text are counted as well.

    Raises:
        LimitError: more than `MAX_NODES` nodes, or more than `MAX_INTERPOLATIONS` interpolations.
        yaml.MarkedYAMLError: an anchor that contains itself.
    """
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        key = id(node)
        if key in open_nodes:
            raise _violation("an anchor that contains itself", node.start_mark)
        if key not in sizes:
            if isinstance(node, yaml.ScalarNode) and node.value.count("${") > MAX_INTERPOLATIONS:
                raise _beyond(f"more than {MAX_INTERPOLATIONS} interpolations in one text", node.start_mark)
            open_nodes.add(key)
            sizes[key] = 1 + sum(size(child) for child in _children(node))
            open_nodes.discard(key)
            if sizes[key] > MAX_NODES:
                raise _beyond(f"more than {MAX_NODES} nodes once its aliases are expanded", node.start_mark)
        return sizes[key]

    size(root)


def _collect(node: yaml.Node, path: KeyPath, places: dict[KeyPath, Place]) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise _violation(f"found duplicate key {key.value}", key.start_mark)
            seen.add(key.value)
            start, end = key.start_mark, key.end_mark
            here = (*path, key.value)
            places[here] = Place(start.line + 1, start.column + 1, end.column + 1)
            _collect(value, here, places)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            places[(*path, index)] = Place(value.start_mark.line + 1, value.start_mark.column + 1, value.end_mark.column + 1)
            _collect(value, (*path, index), places)
