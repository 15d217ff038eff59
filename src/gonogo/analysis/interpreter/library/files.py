"""Files that the code opens, and the YAML, JSON and TOML that it reads by hand."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Callable
from typing import Any

import yaml

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.markers import FILE_ROOT, ROOT
from gonogo.analysis.interpreter.processes import LoadedUnnamed
from gonogo.analysis.interpreter.sentinels import UNHANDLED, Unhandled
from gonogo.analysis.interpreter.trace import Written
from gonogo.analysis.interpreter.values.config_data import Source, build
from gonogo.analysis.interpreter.values.file_path import file_path, may_write
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.documents.limits import LimitError, check_size
from gonogo.documents.yaml import parse_yaml

OPENED = "open:"  # begins the name of an open file, before its path
MAX_NAME = 90

LIBRARY.shows("yaml.dump", "yaml.safe_dump")


@LIBRARY.call("open", "io.open")
def open_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`open(path)`."""
    text = given.get(0, "file").path_text()
    if text is not None and may_write(given.get(1, "mode", Scalar("r"))):
        walk.state.record(Written(file_path(text).text))
    return walk.outside(f"{OPENED}{text}") if text is not None and len(text) < MAX_NAME else UNKNOWN


@LIBRARY.call("yaml.safe_load", "yaml.load", "yaml.full_load", "yaml.unsafe_load")
def yaml_load(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`yaml.safe_load(file)`."""
    return load_file(walk, given.get(0, "stream"), config=False, read=_yaml)


@LIBRARY.call(*(f"{package}.{name}" for package in ("ruamel.yaml", "ruamel_yaml") for name in ("load", "safe_load", "round_trip_load")))
def ruamel_load(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`ruamel.yaml.load(file)`: YAML 1.2, in which `1e-3` is a number, as it is to OmegaConf."""
    return load_file(walk, given.get(0, "stream"), config=False)


def _reads_data(parameter: str, read: Callable[[str], Any], *names: str) -> None:
    """Declare functions that make data of a file.

    They are used where the walked program is given no run config: what it is to do stands in such files.
    """

    @LIBRARY.call(*names)
    def load(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
        return load_file(walk, given.get(0, parameter), config=False, read=read) if walk.reads_data else UNHANDLED


_reads_data("fp", json.loads, "json.load")
_reads_data("f", tomllib.loads, "tomllib.load", "tomli.load", "toml.load")
_reads_data("s", tomllib.loads, "tomllib.loads", "tomli.loads", "toml.loads")


def opened(value: Value) -> str | None:
    """The path of the file that a value is, or whose text it is, or names; None where that is not known."""
    name = value.outside_name() or ""
    return name.removeprefix(OPENED).removesuffix(".read()") if name.startswith(OPENED) else value.path_text()


def load_file(walk: Walk, value: Value, config: bool, read: Callable[[str], Any] | None = None) -> Value:
    """The content of a file of the experiment, as nodes under `@file`; unknown for any other file.

    Args:
        walk: the interpreter.
        value: the file, its path or its text.
        config: it becomes a DictConfig, not a dict.
        read: makes data of its text, where OmegaConf's way to read YAML is not the one; raises ValueError where it can't.
    """
    text = opened(value)
    if text is None:
        walk.state.record(LoadedUnnamed())
        return UNKNOWN
    path = file_path(text).text
    content = walk.file_text(path)
    data = _data(content, read or _omegaconf) if content is not None else None
    if not isinstance(data, dict):
        return UNKNOWN
    return build(walk.memory, [Source(walk.memory.now, data)], (FILE_ROOT, path.removeprefix(ROOT + "/")), config)


def _omegaconf(text: str) -> Any:
    return parse_yaml(text).value


def _yaml(text: str) -> Any:
    """What PyYAML makes of a text: to it `1e-3` is no number."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if parse_yaml(text).error is None else None


def _data(text: str, read: Callable[[str], Any]) -> Any:
    """What a text says; None where it can't be read, or is too much."""
    try:
        check_size(text)
        return read(text)
    except (ValueError, LimitError, RecursionError, yaml.YAMLError):
        return None
