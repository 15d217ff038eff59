"""`ml_collections`: configs of the program's own, and flags that name the Python file which makes one."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Entered, Value, Walk, let_go
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.memory import Field
from gonogo.analysis.interpreter.sentinels import ABSENT
from gonogo.analysis.interpreter.values.function import Function
from gonogo.analysis.interpreter.values.lacking import Words, note_lacking
from gonogo.analysis.interpreter.values.module import ModuleValue
from gonogo.analysis.interpreter.values.scalar import NONE, Scalar
from gonogo.analysis.interpreter.values.section import Section, section_of
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled

MODULES = ("ml_collections", "ml_collections.config_dict", "ml_collections.config_dict.config_dict")
LOCKS = frozenset({"lock", "unlock", "unlocked"})
PLACEHOLDERS = ("placeholder", "required_placeholder")
NATIVE = frozenset(
    {
        "allow_dotted_keys", "convert_dict", "copy_and_resolve_references", "eq_as_configdict", "get", "get_oneway_ref", "get_ref",
        "get_type", "ignore_type", "is_locked", "is_type_safe", "items", "iteritems", "iterkeys", "itervalues", "keys", "lock", "to_dict",
        "to_json", "to_json_best_effort", "to_yaml", "unlock", "unlocked", "update", "update_from_flattened_dict", "values",
    }
)  # fmt: skip
SHOWS = frozenset({"get_type", "is_type_safe", "to_json", "to_json_best_effort", "to_yaml", "eq_as_configdict", "ignore_type"})
GIVES = frozenset({"get_ref", "get_oneway_ref"})

LIBRARY.reads_options("ConfigDict", "config_dict.create")


class ConfigDict(Section):
    """A config; `locked`: it takes no new keys."""

    __slots__ = ("_locked",)
    NATIVE = NATIVE | frozenset(dir(object))
    locked = Field[bool]()

    def __init__(self, values: dict[str, Value] | None = None) -> None:
        super().__init__(values)
        self._locked: object = False

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """It is no dict."""
        return True if any(name.endswith("ConfigDict") for name in names) else False if names == {"dict"} else None

    def set_member(self, walk: Walk, name: str, value: Value, at: ast.AST) -> None:
        """A key gets a value; a locked config refuses a new one."""
        if self.locked and self.is_closed() and not walk.state.uncertain and self.attributes.look(name) is ABSENT:
            words = Words(f"the config is locked and has no key `{self.title}{{name}}`", f"define `{self.title}{{name}}` before `lock()`")
            note_lacking(walk, name, at, tuple(self.attributes.there()), words)
        super().set_member(walk, name, value, at)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method of its own, or of a dict."""
        if name in LOCKS:
            is_locked = name == "lock" and not walk.state.uncertain
            self.each(lambda inner: walk.memory.set(inner, "locked", is_locked))
            return Unlocked(self) if name == "unlocked" else NONE
        if name == "copy_and_resolve_references":
            return self.clone(walk)
        if name == "to_dict":
            self.escape(walk)
            return UNKNOWN
        if name in ("update", "update_from_flattened_dict"):  # what it is given is merged into what is there
            self.each(lambda inner: walk.memory.set(inner, "open", True))
            let_go(walk, given)
            return NONE
        if name in GIVES and isinstance(given.get(0, "key").constant(), str):
            return self.item(walk, given.get(0, "key"), at)
        return UNKNOWN if name in SHOWS else super().call_method(walk, name, given, at)


class Unlocked(Value):
    """`config.unlocked()`, a block in which new keys may be set."""

    __slots__ = ("config",)

    def __init__(self, config: Section) -> None:
        self.config = config

    def enter(self, walk: Walk, at: ast.AST) -> Entered:
        """The block; after it the config may be locked or not."""
        return Entered(self.config)


@LIBRARY.call(*(f"{module}.{name}" for module in MODULES for name in ("ConfigDict", "FrozenConfigDict")))
def config_dict(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`ConfigDict({…})`; keywords are settings of its own."""
    if set(given.keywords) - {"initial_dictionary", "type_safe"} or len(given.positional) > 1:
        let_go(walk, given)
        return UNKNOWN
    start = given.get(0, "initial_dictionary", NONE)
    return section_of(walk, ConfigDict(), Arguments([start], open=given.open))


@LIBRARY.call(*(f"{module}.create" for module in MODULES))
def create(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`config_dict.create(key=…)`."""
    return section_of(walk, ConfigDict(), given)


def of_flag(walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
    """Return what the flag of `DEFINE_config_file(name, default)` gives.

    That is what `get_config` of a Python file makes, locked unless `lock_config` may be false. The file is the one
    that the command line names where it is known, else the default.
    """
    text = _given(walk, name) or given.get(1, "default").constant()
    if not isinstance(text, str):
        return UNKNOWN
    path, _, argument = text.partition(":")
    module = settled(walk.modules.imported(path.removesuffix(".py").strip("./").replace("/", "."), whole=True))
    maker = settled(module.names.look("get_config")) if isinstance(module, ModuleValue) else UNKNOWN
    made = settled(maker.call(walk, Arguments([Scalar(argument)] if argument else []), at)) if isinstance(maker, Function) else UNKNOWN
    if not isinstance(made, ConfigDict):
        return UNKNOWN
    is_locked = settled(given.get(3, "lock_config", Scalar(True))).constant() is True
    made.each(lambda inner: walk.memory.set(inner, "locked", is_locked))
    return made


def _given(walk: Walk, name: str) -> str | None:
    """What a known command line gives for a flag."""
    words = settled(walk.process.argv)
    known = [word.constant() for word in words.values] if isinstance(words, Sequence) and not words.open else []
    texts = [word for word in known if isinstance(word, str)]
    for place, word in enumerate(texts):
        flag, is_joined, value = word.partition("=")
        if flag in (f"--{name}", f"-{name}"):
            return value if is_joined else next(iter(texts[place + 1 :]), None)
    return None
