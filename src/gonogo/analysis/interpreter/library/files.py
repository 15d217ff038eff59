"""Files that the code opens, and YAML that it reads by hand."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.markers import FILE_ROOT, ROOT
from gonogo.analysis.interpreter.processes import LoadedUnnamed
from gonogo.analysis.interpreter.values.config_data import Source, build
from gonogo.analysis.interpreter.values.file_path import file_path
from gonogo.documents.yaml import parse_yaml

OPENED = "open:"  # begins the name of an open file, before its path
MAX_NAME = 90

LIBRARY.shows("yaml.dump", "yaml.safe_dump")


@LIBRARY.call("open", "io.open")
def open_(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`open(path)`."""
    text = given.get(0, "file").path_text()
    return walk.outside(f"{OPENED}{text}") if text is not None and len(text) < MAX_NAME else UNKNOWN


@LIBRARY.call("yaml.safe_load", "yaml.load", "yaml.full_load")
def yaml_load(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`yaml.safe_load(file)`."""
    return load_file(walk, given.get(0, "stream"), config=False)


def load_file(walk: Walk, value: Value, config: bool) -> Value:
    """The content of a YAML file of the experiment, as nodes under `@file`; unknown for any other file."""
    text, name = value.path_text(), value.outside_name() or ""
    if name.startswith(OPENED):
        text = name.removeprefix(OPENED).removesuffix(".read()")
    if text is None:
        walk.state.record(LoadedUnnamed())
        return UNKNOWN
    path = file_path(text).text
    content = walk.file_text(path)
    document = parse_yaml(content) if content is not None else None
    if document is None or document.error is not None or not isinstance(document.value, dict):
        return UNKNOWN
    return build(walk.memory, [Source(walk.memory.now, document.value)], (FILE_ROOT, path.removeprefix(ROOT + "/")), config)
