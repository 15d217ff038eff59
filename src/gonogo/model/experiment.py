"""The experiment under review: its files, read once and never executed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gonogo.documents.encoding import decode_python
from gonogo.documents.json import parse_json
from gonogo.documents.notebook import Notebook, NotebookError, read_notebook
from gonogo.documents.yaml import YamlDocument, YamlError, parse_yaml, yaml_fault
from gonogo.model import plan as plans
from gonogo.model.errors import UsageError
from gonogo.model.plan import Plan

MAX_TEXT_BYTES = 2_000_000
MAX_ALL_BYTES = 32_000_000
MAX_NOTEBOOK_BYTES = 32_000_000  # with what its cells showed, which is not kept
MAX_BUNDLE_BYTES = 32_000_000
MAX_FILES = 20_000
# Sources; and what tells how they are meant to be started, and which folders come from elsewhere.
TEXT_SUFFIXES = (
    ".py",
    ".pyi",
    ".yaml",
    ".yml",
    ".toml",
    ".md",
    ".rst",
    ".sh",
    ".bash",
    ".sbatch",
    ".slurm",
    ".job",
    ".gitmodules",
    ".gitignore",
    ".project-root",
    ".ipynb",
)
# Build files, requirements, what starts programs, and settings in JSON, by name: other JSON is data, and may be much.
TEXT_NAMES = re.compile(
    r"(?:^|/)(?:GNUmakefile|[Mm]akefile|[Jj]ustfile|Dockerfile|launch\.json|setup\.cfg|tox\.ini|CMakeLists\.txt|meson\.build|Cargo\.toml"
    r"|requirements/[\w.-]+\.(?:txt|in)|[\w.-]*requirements?[\w.-]*\.(?:txt|in)|constraints?[\w.-]*\.txt)$"
    r"|(?:^|/)(?:configs?|conf|cfgs?|settings|options|h?params)/[^/]+\.json$"
    r"|(?:^|/)(?:(?:train|test|model|base|ds)_)?(?:configs?|settings|options|h?params|hyp)(?:_[\w.-]{0,60})?\.json$"
)
# Never part of an experiment, and possibly huge: not even listed.
SKIPPED_FOLDERS = frozenset(
    {".git", ".venv", "venv", "node_modules", "__pycache__", ".cache", "outputs", "multirun", "wandb", ".mypy_cache", ".ruff_cache"}
)
BUNDLE_PATHS = {
    "main_py": "src/main.py",
    "train_py": "src/train.py",
    "evaluate_py": "src/evaluate.py",
    "preprocess_py": "src/preprocess.py",
    "model_py": "src/model.py",
    "pyproject_toml": "pyproject.toml",
    "config_yaml": "config/config.yaml",
}
BUNDLE_RUN_KEYS = ("run_configs", "runs")
PLAN_NAMES = ("plan.yaml", "plan.yml", "plan.json")


@dataclass(frozen=True)
class SourceFile:
    """One file.

    Attributes:
        path: relative to the root.
        text: None where it was not wanted (`problem` None) or could not be read.
        problem: why it could not be read, a clause without its subject.
        is_limit: the problem is that gonogo does not read so much.
        encoding_problem: what is wrong with the encoding that a Python file declares, empty if nothing is, and
        encoding_line: where it declares it.
        notebook: the cells, where it is a notebook; then `text` is their code.
    """

    path: str
    text: str | None = None
    problem: str | None = None
    is_limit: bool = False
    encoding_problem: str = ""
    encoding_line: int = 1
    notebook: Notebook | None = None


@dataclass
class Experiment:
    """A tree of files with a name, and the plan it must implement if there is one.

    Args:
        name: shown to the user.
        files: by path relative to the root, with forward slashes.
        plan: the research plan.
        notes: what the user should know about how it was read.
        root: the folder that it was read from, None if it was no folder.
        is_bundle: it was read from a bundle of generated files.
    """

    name: str
    files: dict[str, SourceFile]
    plan: Plan | None = None
    notes: list[str] = field(default_factory=list)
    root: Path | None = None
    is_bundle: bool = False

    def text(self, path: str) -> str | None:
        """The text of a file, None if it is absent or was not read."""
        file = self.files.get(path)
        return file.text if file else None

    def yaml(self, path: str) -> YamlDocument:
        """A file as YAML: empty if it is absent, with an error if it could not be read."""
        file = self.files.get(path)
        if file is None:
            return YamlDocument()
        if file.problem is not None:
            return YamlDocument(error=YamlError(f"the file {file.problem}", 1, 1, file.is_limit))
        return parse_yaml(file.text or "")

    def yaml_fault(self, path: str) -> YamlError | None:
        """Why a file is no YAML, None if it is; a project may have thousands, whose documents are not kept."""
        file = self.files.get(path)
        return yaml_fault(file.text) if file is not None and file.text is not None else self.yaml(path).error

    def with_suffix(self, *suffixes: str) -> Iterator[SourceFile]:
        """The readable files with one of these suffixes, by path."""
        for path in sorted(self.files):
            file = self.files[path]
            if path.endswith(suffixes) and file.text is not None:
                yield file


def load(source: str, plan: Plan | None = None, name: str | None = None) -> Experiment:
    """Read an experiment from a folder, a bundle (a JSON file) or, with `-`, a bundle on standard input.

    Args:
        source: the path, or `-`.
        plan: the plan, None to look for one.
        name: what to call the experiment, where that is not `source`.

    Raises:
        UsageError: there is nothing to read at `source`, or it is neither a folder nor a bundle.
    """
    if source == "-":
        return from_bundle(read_stdin(), name or "standard input", plan)
    path, name = Path(source), name or source
    try:
        if path.is_dir():
            experiment = from_folder(path, plan)
            experiment.name = name
            return experiment
        if not path.is_file() and path.exists():
            raise UsageError(f"{name} is neither a folder nor a file.")  # a pipe or a device could keep us waiting for ever
        with path.open("rb") as stream:
            return from_bundle(_read_capped(stream, name), name, plan)
    except FileNotFoundError as error:
        raise UsageError(f"There is no {name}: give the folder of an experiment or a bundle (a JSON file).") from error
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror or error}.") from error


def read_stdin() -> bytes:
    """A bundle from standard input.

    Raises:
        UsageError: there is more than a bundle can be.
    """
    return _read_capped(sys.stdin.buffer, "standard input")


def from_folder(root: Path, plan: Plan | None = None) -> Experiment:
    """Read an experiment from a folder.

    Symbolic links are not followed out of the tree. A plan in or beside the folder is used when none is given.
    """
    root = root.resolve()
    experiment = Experiment(name=root.name or str(root), files={}, plan=plan, root=root)
    size = 0
    for path in _walk(root):
        if len(experiment.files) >= MAX_FILES:
            raise UsageError(f"{root} has more than {MAX_FILES} files: is it the folder of one experiment?")
        relative = path.relative_to(root).as_posix()
        if any(0xDC80 <= ord(character) <= 0xDCFF for character in relative):
            relative = relative.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        file = experiment.files[relative] = _read(path, relative, root)
        size += len(file.text or "")
        if size > MAX_ALL_BYTES:
            raise UsageError(f"{root} has more than {MAX_ALL_BYTES // 1_000_000} MB of sources: is it the folder of one experiment?")
    if plan is None:
        _find_plan(root, experiment)
    return experiment


def from_bundle(data: bytes, name: str, plan: Plan | None = None) -> Experiment:
    """Read a bundle: a JSON object of generated files.

    Keys are those of `BUNDLE_PATHS`; `run_configs` may map run ids to YAML (or list objects with `run_id` and `config_yaml`);
    `plan` may hold the plan.

    Raises:
        UsageError: not a JSON object, or a value that is not text.
    """
    try:
        bundle = parse_json(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text, so it is no bundle.") from error
    except ValueError as error:
        raise UsageError(f"{name} is not a bundle: it is not valid JSON ({error}).") from error
    if not isinstance(bundle, dict):
        raise UsageError(f"{name} is not a bundle: it must be a JSON object whose keys are {', '.join(BUNDLE_PATHS)}.")
    if not any(key in bundle for key in BUNDLE_PATHS):
        raise UsageError(f"{name} is not a bundle: none of its keys is one of {', '.join(BUNDLE_PATHS)}.")
    experiment = Experiment(name=name, files={}, plan=plan, is_bundle=True)
    for key, path in BUNDLE_PATHS.items():
        value = bundle.get(key)
        if value is None or value == "":
            continue  # absent: STR101 says so
        if not isinstance(value, str):
            raise UsageError(f"{name}: '{key}' must be a text, not {type(value).__name__}.")
        experiment.files[path] = source_file(path, value)
    for key in BUNDLE_RUN_KEYS:
        for run_id, text in _bundle_runs(bundle.get(key), name, key):
            path = f"config/run/{run_id}.yaml"
            experiment.files[path] = source_file(path, text)
    if plan is None and "plan" in bundle:
        experiment.plan = plans.from_data(bundle["plan"], f"in {name}")
    known = {*BUNDLE_PATHS, *BUNDLE_RUN_KEYS, "plan"}
    unknown = [str(key) for key in bundle if key not in known]
    if unknown:
        experiment.notes.append(f"Keys of the bundle that mean nothing to gonogo: {', '.join(unknown[:10])}.")
    return experiment


def _bundle_runs(value: Any, name: str, key: str) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    pairs: list[tuple[Any, Any]]
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        pairs = [(entry.get("run_id"), entry.get("config_yaml")) for entry in value]
    else:
        raise UsageError(f"{name}: '{key}' must map run ids to YAML texts.")
    for run_id, text in pairs:
        if not isinstance(run_id, str) or not isinstance(text, str) or not run_id.strip():
            raise UsageError(f"{name}: '{key}' must map run ids to YAML texts.")
        yield run_id, text


def source_file(path: str, text: str) -> SourceFile:
    """A file whose text is at hand, read as if it had been written to a disk."""
    data = text.encode("utf-8", "replace")
    return _too_large(path, len(data)) if len(data) > _most(path) else _decoded(path, data)


def with_texts(experiment: Experiment, texts: Mapping[str, str]) -> Experiment:
    """Return an experiment with other texts in some files, which need not exist yet.

    Files that are never read are left out.
    """
    wanted = {path: source_file(path, text) for path, text in texts.items() if _is_wanted(path) and not is_skipped(path)}
    return replace(experiment, files=experiment.files | wanted)


def is_skipped(path: str) -> bool:
    """Whether a path, relative to the root, leads through a folder that is not looked into."""
    return any(folder in SKIPPED_FOLDERS for folder in path.split("/")[:-1])


def _is_wanted(path: str) -> bool:
    return path.endswith(TEXT_SUFFIXES) or TEXT_NAMES.search(path) is not None


def _most(path: str) -> int:
    """How many bytes of a file are read."""
    return MAX_NOTEBOOK_BYTES if path.endswith(".ipynb") else MAX_TEXT_BYTES


def _decoded(path: str, data: bytes) -> SourceFile:
    try:
        if path.endswith(".ipynb"):
            notebook = read_notebook(data.decode("utf-8-sig"))
            return SourceFile(path, notebook.text, notebook=notebook)
        if not path.endswith((".py", ".pyi")):
            return SourceFile(path, data.decode("utf-8-sig"))
        found = decode_python(data)
    except UnicodeDecodeError as error:
        return SourceFile(path, problem=f"is not UTF-8 text (byte {error.start})")
    except NotebookError as error:
        return SourceFile(path, problem=str(error))
    problem = found.problem if found.text is None else None
    return SourceFile(path, found.text, problem, encoding_problem=found.problem, encoding_line=found.line)


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, followlinks=False):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        wanted = (name for name in folders if name not in SKIPPED_FOLDERS or (name == "wandb" and not _is_of_client(here / name)))
        folders[:] = sorted(name for name in wanted if name not in links)
        for name in sorted([*names, *links]):
            yield here / name


def _is_of_client(folder: Path) -> bool:
    """Whether W&B's client wrote a folder: a config group or a package may be called `wandb` as well."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return True
    return not any(name.endswith((".py", ".yaml", ".yml")) for name in names)


def _read(path: Path, relative: str, root: Path) -> SourceFile:
    wanted = _is_wanted(relative)
    try:
        if path.is_symlink():
            target = path.resolve(strict=True)
            if not target.is_relative_to(root):
                return SourceFile(relative, problem="is a symbolic link that leaves the tree")
            if target.is_dir():
                return SourceFile(relative, problem="is a symbolic link to a folder")
        elif not path.is_file():
            return SourceFile(relative, problem="is not a regular file")
        if not wanted:
            return SourceFile(relative)
        size = path.stat().st_size
        return _too_large(relative, size) if size > _most(relative) else _decoded(relative, path.read_bytes())
    except (OSError, RuntimeError) as error:  # RuntimeError: a symlink loop, before Python 3.13
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "a loop of symbolic links"
        return SourceFile(relative, problem=f"can't be read: {reason}")


def _find_plan(root: Path, experiment: Experiment) -> None:
    beside = [root.parent / f"{root.name}.{name}" for name in PLAN_NAMES]
    for path in [root / name for name in PLAN_NAMES] + beside:
        if path.is_file() and not path.is_symlink():
            experiment.plan = plans.load(path)
            experiment.notes.append(f"The plan is {path.name}, found {'in' if path.parent == root else 'beside'} the experiment.")
            return


def _read_capped(stream: Any, name: str) -> bytes:
    data: bytes = stream.read(MAX_BUNDLE_BYTES + 1)
    if len(data) > MAX_BUNDLE_BYTES:
        raise UsageError(f"{name} is larger than {MAX_BUNDLE_BYTES // 1_000_000} MB, so it is no bundle.")
    return data


def _too_large(path: str, size: int) -> SourceFile:
    most = f"at most {_most(path) / 1e6:.0f} MB of such a file is read"
    return SourceFile(path, problem=f"is too large to be source ({size / 1e6:.1f} MB; {most})", is_limit=True)
