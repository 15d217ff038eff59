"""The `hydra` section of a config, kept apart from the rest where the two are independent.

It is three quarters of a config's nodes and, for most experiments, the same in every composition: then it need not be copied each time,
but is lent to one composition after the other. That is right only if nothing else in the config can see or change it, and if nothing
that Hydra writes into it for one composition can be seen; wherever this is not plain to see, the config stays in one piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from gonogo.compose.cloning import clone

SECTION = "hydra"
_CALL = re.compile(r"\$\{[A-Za-z_]\w*(?:\.\w+)*:[^${}\\]*\}")  # of a resolver: there are none, so it sees nothing
_SIMPLE = re.compile(r"\$\{[^${}\\]*\}")  # an interpolation in which every key is written out
_FROM_ROOT = re.compile(r"\$\{\w[^${}\\]*\}")  # and not relative to where it stands


class Section:
    """A `hydra` section as merged, and once it is asked for, as it can be lent."""

    def __init__(self, node: DictConfig) -> None:
        self.node = node
        self.prepared: DictConfig | None = None

    def lendable(self) -> bool:
        """Return whether what the gate reads of the section is the same in every composition.

        Then it does not matter what Hydra writes into it about one composition.
        """
        choices, job, run = (_content(self.node, *path) for path in (("runtime", "choices"), ("job",), ("run",)))
        names = _content(self.node, "job", "config", "override_dirname")
        lists = (("overrides", "hydra"), ("overrides", "task"), ("job", "env_copy"), ("job", "config", "override_dirname", "exclude_keys"))
        if choices != {} or not isinstance(job, dict) or not isinstance(run, dict) or not isinstance(names, dict):
            return False
        if any(_content(self.node, *path) != [] for path in lists):
            return False
        if (_content(names["kv_sep"]), _content(names["item_sep"])) != ("=", ","):
            return False
        asked = [_content(entry.get(key)) for entry, key in ((run, "dir"), (job, "name"), (job, "chdir"))]
        # A job name that can't be resolved is replaced, so it must not be an interpolation at all.
        return "${" not in str(asked[1]) and all(not isinstance(value, str) or _sees_nothing(value, _FROM_ROOT) for value in asked)


@dataclass(frozen=True)
class Merge:
    """The configs merged so far.

    It is never changed, so that others can start from it. Without a section, that part is still in `root`.
    """

    root: DictConfig
    section: Section | None

    @classmethod
    def of(cls, config: DictConfig) -> Merge:
        """A config in two parts if it can be parted. It must not be used any more."""
        content = _content(config)
        node = content.get(SECTION) if isinstance(content, dict) else None
        if not isinstance(node, DictConfig) or not isinstance(_content(node), dict):
            return cls(config, None)
        if not all(_sees_nothing(text, _SIMPLE) for key, child in content.items() if key != SECTION for text in _texts(child)):
            return cls(config, None)
        del content[SECTION]
        return cls(config, Section(node))

    def whole(self) -> DictConfig:
        """A copy in one piece."""
        root = clone(self.root)
        if self.section is not None:
            attach(root, clone(self.section.node))
        return root  # type: ignore[no-any-return]

    def can_take_apart(self, config: Any) -> bool:
        """Whether merging `config` with `root` alone is the same as merging it with the whole."""
        if self.section is None or not is_without_section(config):
            return False
        return all(_sees_nothing(text, _SIMPLE) for text in _texts(config))


def attach(root: DictConfig, section: DictConfig) -> None:
    """Put a section into a config that has none; it leaves the one that it was in before."""
    root.__dict__["_content"] = {SECTION: section, **root.__dict__["_content"]}
    section._set_parent(root)


def is_without_section(config: Any) -> bool:
    """Whether this is a mapping without a `hydra` section."""
    content = _content(config) if isinstance(config, DictConfig) else None
    return isinstance(content, dict) and SECTION not in content


def is_plain(override: str) -> bool:
    """Whether an override can't have to do with the `hydra` section."""
    return SECTION not in override and "$" not in override


def _sees_nothing(text: str, simple: re.Pattern[str]) -> bool:
    if "${" not in text:
        return True
    text = _CALL.sub("", text)
    return "${" not in text or (SECTION not in text and "${" not in simple.sub("", text))


def _texts(node: Any) -> Iterator[str]:
    """Every text that is a value in a config."""
    content = _content(node)
    if isinstance(content, str):
        yield content
    elif isinstance(content, (dict, list)):
        for child in content.values() if isinstance(content, dict) else content:
            yield from _texts(child)


def _content(node: Any, *path: str) -> Any:
    """Return what a node under `node` holds, unresolved.

    It is a value, or a dictionary or list of nodes. None if there is no such node.
    """
    for key in path:
        inner = _content(node)
        node = inner.get(key) if isinstance(inner, dict) else None
    if node is None:
        return None
    state = node.__dict__
    content = state["_content"] if "_content" in state else state["_val"]
    return _content(content) if hasattr(content, "_metadata") else content  # a node of a union type holds another
