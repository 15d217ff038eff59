"""Resolvers of interpolations (`${name:…}`).

This tells which ones a config uses, and whether anything may register them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from gonogo.analysis.project.distributions import providers
from gonogo.analysis.project.hydra_doubts import STORING
from gonogo.analysis.python.imports import Import
from gonogo.analysis.python.modules import Module

# OmegaConf 2.3 and Hydra 1.3, and what OmegaConf 2.0 had.
BUILT_IN = frozenset(
    "oc.env oc.create oc.decode oc.deprecated oc.dict.keys oc.dict.values oc.select env now hydra python_version".split()  # noqa: SIM905
)
_ASKED = re.compile(r"(?<!\\)\$\{([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):")


def asked_resolvers(text: str) -> list[str]:
    """The resolvers that an interpolation names, in order, those of nested ones too."""
    return _ASKED.findall(text)


class Resolvers:
    """What may be registered by the time that a config is read.

    Args:
        modules: every module of the project, by path.
        outside: the imports that leave the project.
    """

    def __init__(self, modules: Mapping[str, Module], outside: Iterable[Import]) -> None:
        self._texts = [module.text for module in modules.values()]
        self._registers = any("resolver" in text.lower() for text in self._texts)
        self._strangers = any(
            not providers(entry.top) or entry.top in STORING for entry in outside if entry.top not in ("hydra", "omegaconf")
        )
        self._known: dict[str, bool] = {}

    def may_have(self, name: str) -> bool:
        """Return whether anything may register a resolver of this name.

        OmegaConf, Hydra, the project, or a library of which nothing is known may do so.
        """
        if name in BUILT_IN or self._strangers:
            return True
        if name not in self._known:
            self._known[name] = self._registers and self._is_spoken_of(name)
        return self._known[name]

    def _is_spoken_of(self, name: str) -> bool:
        """Whether code has the name, or computes the names that it registers."""
        # `register_new_resolver(f"{prefix}.sum", …)`: any name may come of it.
        computed = re.compile(r"resolver\s*\([^,)\n]*(?:[+%]|\.format|join|f[\"'])")
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        return any(word.search(text) or computed.search(text) for text in self._texts)
