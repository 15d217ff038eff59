"""Which files the code reads and writes, told from the text of one module."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, origin, text_of
from gonogo.analysis.python.paths import UNKNOWN, PathReader, Paths

# Functions that read or write the file at a path, by the place of the path among their arguments.
READERS: Mapping[str, int] = {
    **dict.fromkeys(("numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "torch.load", "joblib.load"), 0),
    **{f"pandas.read_{kind}": 0 for kind in ("csv", "json", "parquet", "pickle", "feather", "excel", "table", "hdf")},
    **dict.fromkeys(("omegaconf.OmegaConf.load", "OmegaConf.load", "safetensors.torch.load_file", "scipy.io.loadmat"), 0),
    **dict.fromkeys(("shutil.copy", "shutil.copyfile", "shutil.copy2"), 0),
}
WRITERS: Mapping[str, int] = {
    **dict.fromkeys(("numpy.save", "numpy.savez", "numpy.savez_compressed", "numpy.savetxt"), 0),
    **dict.fromkeys(("torch.save", "joblib.dump", "omegaconf.OmegaConf.save", "shutil.copy", "shutil.copyfile", "shutil.copy2"), 1),
}
WRITER_METHODS = frozenset({"to_csv", "to_json", "to_parquet", "to_pickle", "to_excel", "to_feather", "to_latex", "to_markdown", "to_html"})
WRITING = frozenset("wax+")  # signs of the modes in which `open` may write
OPENERS = frozenset({"open", "io.open", "gzip.open", "codecs.open"})


@dataclass(frozen=True)
class FileUse:
    """A file that is read or written."""

    node: ast.Call
    writes: bool
    paths: Paths


def file_uses(module: Module, reader: PathReader) -> Iterator[FileUse]:
    """Every reading and writing of a file by a call that names its path."""
    for call in calls(module):
        name = origin(module, call.func)
        if name in OPENERS:
            yield FileUse(call, opens_to_write(call, 1), reader.read(argument(call, 0, "file", "filename")))
            continue
        if name in READERS:
            yield FileUse(call, False, reader.read(argument(call, READERS[name], "file", "path", "filepath_or_buffer", "f", "src")))
        if name in WRITERS:
            yield FileUse(call, True, reader.read(argument(call, WRITERS[name], "file", "path", "f", "dst", "fname")))
        if name in READERS or name in WRITERS or not isinstance(call.func, ast.Attribute):
            continue
        method, owner = call.func.attr, call.func.value
        if method == "open":
            paths = reader.read(owner)
            if paths - UNKNOWN:
                yield FileUse(call, opens_to_write(call, 0), paths)
        elif method in ("read_text", "read_bytes"):
            yield FileUse(call, False, reader.read(owner))
        elif method in ("write_text", "write_bytes"):
            yield FileUse(call, True, reader.read(owner))
        elif method in WRITER_METHODS and call.args:
            yield FileUse(call, True, reader.read(call.args[0]))


def opens_to_write(call: ast.Call, index: int) -> bool:
    """Whether an `open` may write; a mode that is not a literal may.

    Args:
        call: of `open`, or of a method of that name.
        index: the place of the mode among its arguments.
    """
    mode = argument(call, index, "mode")
    text = text_of(mode)
    return mode is not None and (text is None or not WRITING.isdisjoint(text))
