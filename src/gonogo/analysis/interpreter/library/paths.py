"""`os.path` and `pathlib`, and what names the experiment's root."""

from __future__ import annotations

import ast
import posixpath

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Reach, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.markers import ROOT
from gonogo.analysis.interpreter.trace import MadeFolder
from gonogo.analysis.interpreter.values.file_path import FilePath, file_path, joined_path
from gonogo.analysis.interpreter.values.scalar import NONE, TRUE, Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence

PURE = Reach.PURE
# What marks the root of a project for rootutils where it is told nothing.
ROOT_MARKS = (".project-root", "setup.cfg", "setup.py", ".git", "pyproject.toml")


@LIBRARY.call(
    "hydra.utils.to_absolute_path", "os.path.abspath", "os.path.realpath", "os.path.expanduser", "os.path.normpath", "os.fspath", reach=PURE
)
def absolute(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """A path as an absolute one."""
    text = given.get(0, "path").path_text()
    return Scalar(file_path(text).text) if text is not None else UNKNOWN


@LIBRARY.call("hydra.utils.get_original_cwd", "os.getcwd")
def directory(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """The folder that the documented command is started in."""
    return Scalar(ROOT)


@LIBRARY.call("os.path.join", reach=PURE)
def join(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`os.path.join(…)`."""
    path = UNKNOWN if given.open else joined_path(given.positional)
    return path.converted(str)


@LIBRARY.call("os.path.dirname", reach=PURE)
def dirname(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`os.path.dirname(path)`."""
    text = given.get(0, "p").path_text()
    return Scalar(posixpath.dirname(text)) if text is not None else UNKNOWN


@LIBRARY.call("pathlib.Path", "pathlib.PurePath", reach=PURE)
def path(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`Path(…)`."""
    return joined_path(given.positional) if given.positional else FilePath(ROOT)


@LIBRARY.call("pathlib.Path.cwd")
def root(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """The experiment's root."""
    return FilePath(ROOT)


@LIBRARY.call("rootutils.setup_root", "pyrootutils.setup_root", "rootutils.find_root", "pyrootutils.find_root")
def marked_root(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """Model `setup_root(__file__, indicator)`.

    It gives the nearest folder upwards that holds a file with such a name, or the experiment's root if there is none.
    """
    start = given.get(0, "search_from").path_text()
    asked = given.given(1, "indicator")
    listed = asked.values if isinstance(asked, Sequence) else [asked] if isinstance(asked, Value) else []
    names = [name for entry in listed if isinstance(name := entry.constant(), str)] if listed else list(ROOT_MARKS)
    folder = file_path(start).text if start is not None else ROOT
    while folder.startswith(f"{ROOT}/") and not any(walk.file_text(posixpath.join(folder, name)) is not None for name in names):
        folder = posixpath.dirname(folder)
    return FilePath(folder if folder.startswith(ROOT) else ROOT)


@LIBRARY.call("os.path.exists", "os.path.isfile", reach=PURE)
def exists(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """Whether a file is there: one of the experiment's is."""
    text = given.get(0, "path").path_text()
    return TRUE if text is not None and walk.file_text(file_path(text).text) is not None else UNKNOWN


@LIBRARY.call("os.makedirs", "os.mkdir", reach=PURE)
def makedirs(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`os.makedirs(path)`."""
    text = given.get(0, "name").path_text()
    if text is not None:
        walk.state.record(MadeFolder(walk.state.site(at), file_path(text).text))
    return NONE
