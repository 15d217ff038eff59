"""IMP105."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import PurePosixPath

from gonogo.analysis.project.built_modules import BuiltModules, built_modules
from gonogo.analysis.project.distributions import providers
from gonogo.analysis.project.entries import submodules
from gonogo.analysis.project.left_out_by_git import LeftOut
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.analysis.python.imports import Import
from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.reachability import is_never_reached
from gonogo.analysis.python.search_paths import searches_elsewhere
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Contract, Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.grouping import by_message

MOST_IMPORTERS = 50  # listed with a module that is missing
FEWEST_MISSING = 3  # modules of a package for it to be one that is laid over another tree
# Modules that a build or a protocol compiler writes.
GENERATED = re.compile(r"(?:^|\.)(?:_?version|_version_\w+|\w+_pb2(?:_grpc)?)$")

# What the file is called that a user copies.
_TEMPLATES = "template|example|sample|default|dist|base"
_NAMES_DEPENDENCIES = re.compile(r"(?:pyproject|[^/]*requirements[^/]*|environment[^/]*|setup|pixi)\.\w+$")
# What a project file says about the project itself.
_DESCRIBES = re.compile(
    r"^[ \t]*(?:name|description|keywords|packages|include|py-modules|readme)[ \t]*=.*|#.*|"
    r"\[tool\.(?!poetry|pdm)[^\]]*\][^\[]*",
    re.MULTILINE,
)


@rule(
    "IMP105",
    "missing-local-import",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("import", "missing-file", "crash"),
)
def missing_local_import(
    imports: list[Import], symbols: Symbols, contract: Contract, pyproject: Pyproject | None, experiment: Experiment
) -> Iterator[Violation]:
    """An import of something that the project's own modules do not have.

    What it does:
        Resolves imports of the project's modules as `python -m src.main` does from the root: names that the module does not define,
        modules that do not exist, relative imports with too many dots, and `import model` where only `src.model` resolves. Star imports,
        `__getattr__`, `try … except ImportError`, a `sys.path` or `sys.modules` that the code changes, other repositories that a
        notebook clones, modules that a build makes, and folders that are laid over another tree are unknown, which is not reported.
        A module whose very file `.gitignore` names, and the documents or a template beside it, is each user's own: a warning.

    Why it matters:
        The import raises before anything else happens.

    Instead:
        Define the name in that module, or correct the import; between modules of `src` write `from src.model import build_model`.
    """
    faults = _faults(imports, symbols, contract, pyproject, experiment)
    # Many files may import one module that is gone: that is one fault.
    yield from faults if contract.scope is Scope.RUNS else by_message(faults, most=MOST_IMPORTERS)


def _faults(
    imports: list[Import], symbols: Symbols, contract: Contract, pyproject: Pyproject | None, experiment: Experiment
) -> Iterator[Violation]:
    home = {PurePosixPath(path).parent.as_posix().replace("/", ".") for path in contract.entry_paths()}
    # A folder without `__init__.py` yields to an installed package of its name, so only the entry points' own is surely meant.
    own = {name.partition(".")[0] for name in home} | {name for name in symbols.by_name if "." not in name}
    built = built_modules(experiment)
    own_of_users = _OwnOfUsers(experiment) if contract.scope is not Scope.RUNS else None
    elsewhere = tuple(f"{folder}/" for folder in submodules(experiment))
    if contract.scope is not Scope.RUNS:
        # Where nobody says how the programs are started, any folder may be searched, and an installed package may be meant.
        own = {name for name in own if symbols.holders.get(name) == {()} and not providers(name)}
    bare_are_known = _only_the_root_is_searched(symbols, pyproject)
    laid_over = set() if contract.scope is Scope.RUNS else _laid_over(imports, symbols)
    for entry in imports:
        if entry.guarded:
            continue
        if not entry.target:
            if entry.module.name.rpartition(".")[0] in home:
                action = f"write `from .` or `from {entry.module.name.partition('.')[0]}.`"
                yield Violation(entry.location, "the relative import has more dots than there are packages above the file", action)
            continue
        surely_meant = entry.top in own or (contract.scope is not Scope.RUNS and _is_within_packages(entry, symbols))
        exists = symbols.has_module(entry.target) if surely_meant else None
        if exists is False and (GENERATED.search(entry.target) or f"{entry.target.replace('.', '/')}/".startswith(elsewhere)):
            continue
        if exists is False and (built.may_have(entry.target) or symbols.may_be_alias(entry.target)):
            continue
        if exists is False and is_never_reached(entry.module, entry.node):
            continue
        if exists is False and entry.is_relative and any(entry.module.path.startswith(f"{folder}/") for folder in laid_over):
            continue
        if not entry.is_relative and searches_elsewhere(experiment, entry.module):
            continue
        if exists is False and own_of_users is not None and own_of_users.has(entry.target):
            yield _left_out(entry, entry.target)
        elif exists is False:
            yield _no_module(entry, symbols)
        elif exists:
            yield from _missing_names(entry, symbols, built, own_of_users)
        elif bare_are_known and entry.module.name.rpartition(".")[0] in home and not _is_asked_for(entry.top, experiment):
            yield from _bare_import(entry, symbols)


def _laid_over(imports: list[Import], symbols: Symbols) -> set[str]:
    """Return folders whose packages lack most of the modules that their `__init__.py` imports.

    Such folders are copied over another tree before they run.

    The folder at the top, whose other packages are meant for that tree, too; the package alone where that is a package itself.
    """
    found: set[str] = set()
    siblings: dict[str, list[Import]] = {}
    for entry in imports:
        if entry.module.is_package and entry.is_relative and entry.target and not entry.guarded:
            siblings.setdefault(entry.module.name, []).append(entry)
    for name, entries in siblings.items():
        missing = {entry.target for entry in entries if symbols.has_module(entry.target) is False}
        if len(missing) >= FEWEST_MISSING and 2 * len(missing) > len({entry.target for entry in entries}):
            parts = symbols.by_name[name].path.split("/")[:-1]
            found.add(parts[0] if parts[0] not in symbols.by_name else "/".join(parts))
    return found


def _is_within_packages(entry: Import, symbols: Symbols) -> bool:
    """Return whether a relative import starts in a package and stays in packages.

    A folder that is no package may be copied over another tree before it runs.
    """
    if not isinstance(entry.node, ast.ImportFrom) or not entry.node.level:
        return False
    folders = entry.module.name.split(".") if entry.module.is_package else entry.module.name.split(".")[:-1]
    packages = [".".join(folders[: len(folders) - up]) for up in range(entry.node.level)]
    return all(name in symbols.by_name and symbols.by_name[name].is_package for name in packages)


def _no_module(entry: Import, symbols: Symbols) -> Violation:
    near = get_close_matches(entry.target, list(symbols.by_name), n=1)
    action = f"write `{near[0]}`, or add the module" if near else "add the module, or correct the import"
    return Violation(entry.location, f"there is no module `{entry.target}` in the project", action)


class _OwnOfUsers:
    """Modules that each user makes.

    `.gitignore` names the file, and the documents, a script or a template beside it say what it is.

    A file that is only named was forgotten, or kept back: whoever has none can't import it.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._left_out = LeftOut(experiment)
        self._files = experiment.files
        self._told = [file.text or "" for file in experiment.with_suffix(".md", ".rst", ".sh", ".bash")]

    def has(self, module: str) -> bool:
        """Whether a module, by its dotted name, is one of them."""
        if not self._left_out.names_module(module):
            return False
        stem = module.rpartition(".")[2]
        file = re.compile(rf"(?<![\w-]){re.escape(stem)}\.py\b")
        template = re.compile(rf"(?:^|/)(?:{re.escape(stem)}[._-]?(?:{_TEMPLATES})|(?:{_TEMPLATES})[._-]?{re.escape(stem)})\b[^/]*$")
        return any(file.search(text) for text in self._told) or any(template.search(path) for path in self._files)


def _left_out(entry: Import, module: str) -> Violation:
    message = f"there is no module `{module}` in the project: `.gitignore` names its file, which whoever runs the project makes"
    return Violation(entry.location, message, "say how to make it, or keep a default in the project", severity=Severity.WARNING)


def _missing_names(entry: Import, symbols: Symbols, built: BuiltModules, own: _OwnOfUsers | None) -> Iterator[Violation]:
    missing = [name for name in entry.names if name != "*" and symbols.binds(entry.target, name) is False]
    if symbols.is_package(entry.target):
        missing = [name for name in missing if not built.may_have(f"{entry.target}.{name}")]
        named = [name for name in missing if own is not None and own.has(f"{entry.target}.{name}")]
        yield from (_left_out(entry, f"{entry.target}.{name}") for name in named)
        missing = [name for name in missing if name not in named]
    if not missing:
        return
    source, name = symbols.by_name.get(entry.target), missing[0]
    near = get_close_matches(name, list(source.definitions), n=1) if source else []
    related = (Related(location=source.location(source.definitions[near[0]]), label="the nearest name"),) if source and near else ()
    place = entry.module.location(next(alias for alias in entry.node.names if alias.name == name))
    action = f"write `{near[0]}`, or define `{name}` there" if near else "define it there, or correct the import"
    yield Violation(place, f"`{entry.target}` does not define {' and '.join(quoted(missing))}", action, related)


def _bare_import(entry: Import, symbols: Symbols) -> Iterator[Violation]:
    """`import model` from a module of `src`: `src` itself is not searched."""
    folder = entry.module.name.rpartition(".")[0]
    wanted = f"{folder}.{entry.target}"
    if folder and not entry.is_relative and wanted in symbols.by_name:
        message = f"there is no module `{entry.target}` where Python looks: started with `python -m`, it is `{wanted}`"
        yield Violation(entry.location, message, f"import it from `{wanted}`")


def _is_asked_for(name: str, experiment: Experiment) -> bool:
    """Whether the project names a library of this name where dependencies are named, in whatever form."""
    names = "|".join(re.escape(each) for each in {name, name.replace("_", "-"), *providers(name)})
    named = re.compile(rf"(?<![\w./-])(?:{names})(?![\w./-])", re.IGNORECASE)
    return any(
        _NAMES_DEPENDENCIES.match(file.path) and named.search(_DESCRIBES.sub("", file.text or ""))
        for file in experiment.with_suffix(".toml", ".txt", ".yml", ".yaml", ".cfg", ".py")
    )


def _only_the_root_is_searched(symbols: Symbols, pyproject: Pyproject | None) -> bool:
    """Return whether imports are surely looked up from the root only.

    This means that nothing changes `sys.path`, and no script is started by its path.

    A project that is built may be installed so that `src` is searched too: setuptools does it.
    """
    if pyproject is None or pyproject.fault is not None:
        return False
    if pyproject.is_built:
        backend = str(pyproject.section("build-system").get("build-backend", ""))
        if not backend.startswith("hatchling") or "sources" in pyproject.text or "dev-mode-dirs" in pyproject.text:
            return False
    return not any(_changes_search(module) for module in symbols.modules.values())


def _changes_search(module: Module) -> bool:
    if any(node.attr == "addsitedir" or (node.attr == "path" and qualified_name(node) == "sys.path") for node in module.of(ast.Attribute)):
        return True
    texts = (node.value for node in module.of(ast.Constant) if isinstance(node.value, str))
    return any(("PYTHONPATH" in text or ".py" in text) and re.search(r"\bPYTHONPATH\b|\w\.py$", text) for text in texts)


_IMPORT = "from src.preprocess import build_loaders\n"
BAD = [
    Tree({"src/train.py": Edit(_IMPORT, "from src.preprocess import build_loader  # <- here\n")}),
    Tree({"src/train.py": Edit(_IMPORT, f"{_IMPORT}from src.utils import set_seed  # <- here\n")}),
    Tree({"src/train.py": Edit(_IMPORT, "from preprocess import build_loaders  # <- here\n")}),
    Tree({"src/train.py": Edit(_IMPORT, "from ..src.preprocess import build_loaders  # <- here\n")}),
]
GOOD = [
    Tree({"src/train.py": Edit(_IMPORT, "from .preprocess import build_loaders\n")}),
    Tree(
        {
            "src/train.py": Edit(
                _IMPORT, f"{_IMPORT}\ntry:\n    from src.utils import set_seed\nexcept ImportError:\n    set_seed = torch.manual_seed\n"
            )
        }
    ),
    Tree({"src/train.py": Edit(_IMPORT, 'import sys\n\nsys.path.append("src")\nfrom preprocess import build_loaders\n')}),
    Tree(
        {
            "src/train.py": Edit(_IMPORT, f"import evaluate\n{_IMPORT}"),
            "pyproject.toml": Edit('    "torch>=2.4",\n', '    "torch>=2.4",\n    "evaluate>=0.4",\n'),
        }
    ),
    Tree({"src/train.py": Edit(_IMPORT, f"import evaluate\n{_IMPORT}"), "requirements.txt": "evaluate\n"}),
]
