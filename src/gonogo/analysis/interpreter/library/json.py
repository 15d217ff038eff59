"""`json` and `ast.literal_eval`: known texts are read, and a DictConfig can't be written."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Reach, Spread, Value, Walk
from gonogo.analysis.interpreter.endings import ends_the_run
from gonogo.analysis.interpreter.library.files import load_file, opened
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN, UNHANDLED, Unhandled
from gonogo.analysis.interpreter.trace import Misuse, Unreadable, Wrong
from gonogo.analysis.interpreter.values.config_node import ConfigNode
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import LIST_CONFIG, Sequence
from gonogo.analysis.interpreter.values.varied import settled

MAX_DEPTH = 4
MAX_READ = 5_000  # characters


@LIBRARY.call("json.dumps", "json.dump")
def dumps(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`json.dumps(value)`: what is written is seen, not used."""
    state = walk.state
    helped = {"default", "cls"} & set(given.keywords)
    kind = _config_in(given.get(0, "obj"))
    if kind is not None and not given.open and not helped and state.is_certain:
        state.record(Misuse(state.site(at), Wrong.JSON, f"`json` can't write a {kind}"))
    return UNKNOWN


def _config_in(value: Value, depth: int = 0) -> str | None:
    """The kind of OmegaConf container that a value is or surely holds, None where it may hold none."""
    value = settled(value)
    if isinstance(value, ConfigNode):
        return "DictConfig" if value.config else None
    if isinstance(value, Sequence) and value.kind == LIST_CONFIG:
        return "ListConfig"
    inside: Iterable[Value] = ()
    if isinstance(value, Sequence):
        inside = value.values
    elif isinstance(value, Mapping):
        inside = [entry for key, entry in value.items.pairs() if key not in value.maybe]
    return next((kind for entry in inside if (kind := _config_in(entry, depth + 1))), None) if depth < MAX_DEPTH else None


def _reads(name: str, what: str, parameter: str, read: Callable[[str], object]) -> None:
    """A function that makes data of a text."""

    @LIBRARY.call(name, reach=Reach.PURE)
    def loads(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
        source = given.get(0, parameter)
        if name == "json.loads" and walk.reads_data and opened(source) is not None and source.constant() is NOT_KNOWN:
            return load_file(walk, source, config=False, read=json.loads)
        text = source.constant()
        if not isinstance(text, str) or len(text) > MAX_READ or given.open or len(given.values()) != 1:
            return UNHANDLED
        try:
            return of_data(read(text))
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            names = [entry.__name__ for entry in type(error).__mro__]
            if ends_the_run(walk.state, *names):
                walk.state.record(Unreadable(walk.state.site(at), what, text, f"{type(error).__name__}: {error}"))
            return UNKNOWN


def of_data(data: object) -> Value:
    """Plain data as a value."""
    if isinstance(data, dict):
        return Mapping(Spread({key: of_data(value) for key, value in data.items()}))
    if isinstance(data, (list, tuple, set)):
        return Sequence([of_data(entry) for entry in data], kind=type(data).__name__)
    return Scalar(data) if data is None or isinstance(data, (str, int, float, bool, bytes)) else UNKNOWN


_reads("json.loads", "JSON", "s", json.loads)
_reads("ast.literal_eval", "a literal", "node_or_string", ast.literal_eval)
