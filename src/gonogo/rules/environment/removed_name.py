"""ENV106."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.libraries.absent import absent_name
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.analysis.project.removed import BOTH, Removed, lacks, removed_keyword
from gonogo.analysis.project.requirement_files import requirement_texts
from gonogo.analysis.project.versions import locked_versions, required
from gonogo.analysis.python.absence import provides_for_absence
from gonogo.analysis.python.imports import Import
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, origin, text_of
from gonogo.analysis.python.options import keyword_arguments
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule(
    "ENV106", "removed-name", criterion=5, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("import", "dependency")
)
def removed_name_used(
    pyproject: Pyproject | None, outside_imports: list[Import], symbols: Symbols, experiment: Experiment, installed: dict[str, str]
) -> Iterator[Violation]:
    """A name or an argument that the library does not have in the version that is installed.

    What it does:
        Looks up what the code takes from libraries in a table of what they have removed, and of all that modules of common libraries
        have. It is an error where the caller's environment (`--python`), the lock file or a lower bound settles the version, a warning
        where only the newest version that uv may install lacks it. Code that provides for its absence (`try … except`, `hasattr`,
        `np.float = float`) is left alone.

    Why it matters:
        The import or the call raises. Inside a function that happens when it is reached, often hours after the start; examples and
        language models go on using such names for years.

    Instead:
        Use what has taken its place, or cap the version of the library.
    """
    uses = list(_uses(symbols, outside_imports, {entry.top for entry in outside_imports}))
    locked = {**locked_versions(experiment), **installed} if uses else {}
    files: dict[str, dict[str, list[str]]] = {}
    for path, name, text in requirement_texts(experiment) if uses else ():
        files.setdefault(name, {}).setdefault(path, []).append(text)
    for message, instead, location, removed in uses:
        wanted = required(pyproject, removed.distribution)
        # Of several requirements files, any may be the one that is installed.
        choices = [wanted] if wanted else list(files.get(removed.distribution, {}).values()) or [[]]
        why = min((lacks(removed, texts, locked.get(removed.distribution)) or ("", False) for texts in choices), key=lambda found: found[1])
        if not why[0]:
            continue
        since = "" if removed.never else f" since {removed.distribution} {removed.since}, and {why[0]}"
        cap = "" if removed.never or why[1] else f", or write `{removed.distribution}<{removed.since}`"
        severity = Severity.ERROR if why[1] else Severity.WARNING
        yield Violation(location, f"{message}{since}", f"{instead}{cap}", severity=severity)


def _uses(symbols: Symbols, imports: list[Import], served: set[str]) -> Iterator[tuple[str, str, Location, Removed]]:
    """What the code uses of what is gone: what is wrong, what to do, where, and what is known of it."""
    for entry in imports:
        places = {f"{entry.target}.{alias.name}": entry.module.location(alias) for alias in entry.node.names if entry.names}
        for dotted, place in {entry.target: entry.location, **places}.items():
            removed = absent_name(dotted)
            if removed is not None and not entry.guarded:
                owner, _, name = dotted.rpartition(".")
                yield f"`{owner}` has no `{name}`", _instead(removed), place, removed
    for module in symbols.modules.values():
        for node in module.of(ast.Attribute):
            dotted = origin(module, node)
            removed = absent_name(dotted) if dotted.partition(".")[0] in served and node.attr not in symbols.stored_attributes else None
            if removed is not None and _is_of_import(symbols, module, node) and not provides_for_absence(module, node):
                owner, _, name = dotted.rpartition(".")
                yield f"`{owner}` has no `{name}`", _instead(removed), module.location(node), removed
        for call in calls(module):
            if provides_for_absence(module, call):
                continue
            given = call.args[0] if call.args else None
            asked = _asked_by_name(module, call)
            removed = absent_name(asked[1]) if asked is not None and asked[1].partition(".")[0] in served else None
            if asked is not None and removed is not None and _is_of_import(symbols, module, asked[0]):
                owner, _, name = asked[1].rpartition(".")
                yield f"`{owner}` has no `{name}`", _instead(removed), module.location(call), removed
            called = given if given is not None and origin(module, call.func) == "functools.partial" else call.func
            function = origin(module, called)
            if function.partition(".")[0] in served:
                found = list(_arguments(module, call, function))
                yield from found if found and _is_of_import(symbols, module, called) else ()


def _asked_by_name(module: Module, call: ast.Call) -> tuple[ast.expr, str] | None:
    """The module and the dotted name that `getattr(module, "name")` asks for, without a default."""
    if origin(module, call.func) != "getattr" or len(call.args) != 2 or call.keywords:
        return None
    owner, name = origin(module, call.args[0]), text_of(call.args[1])
    return (call.args[0], f"{owner}.{name}") if owner and name is not None else None


def _is_of_import(symbols: Symbols, module: Module, node: ast.expr) -> bool:
    """Return whether the first name of a chain is surely an import there.

    It must not be a variable or parameter of the same name.
    """
    while isinstance(node, ast.Attribute):
        node = node.value
    found = symbols.scopes(module).lookup(node.id, node) if isinstance(node, ast.Name) else None
    return found is not None and all(isinstance(binding, (ast.Import, ast.ImportFrom)) for binding in found[1])


def _arguments(module: Module, call: ast.Call, function: str) -> Iterator[tuple[str, str, Location, Removed]]:
    given: dict[str, ast.AST] = {keyword.arg: keyword for keyword in call.keywords if keyword.arg}
    gone = {name: removed for name in keyword_arguments(module, call) if (removed := removed_keyword(function, name)) is not None}
    for name, removed in gone.items():
        yield f"`{function}` takes no `{name}`", _instead(removed, "leave it out"), module.location(given.get(name, call)), removed
    distribution, since, prefix, both = BOTH
    is_network = function.startswith(prefix) and "." not in function.removeprefix(prefix)
    if is_network and all(name in given for name in both):
        removed = Removed(distribution, since)
        message = f"`{function}` takes no `pretrained` beside `weights`"
        yield message, "give `weights` alone", module.location(given["pretrained"]), removed


def _instead(removed: Removed, otherwise: str = "use a name that is there") -> str:
    if not removed.instead:
        return otherwise + (f", such as {', '.join(f'`{name}`' for name in removed.near)}" if removed.near else "")
    return f"use `{removed.instead}`" if " " not in removed.instead else f"use {removed.instead}"


_BINOMTEST = "from scipy.stats import binomtest\n"
_NUMPY = "import numpy as np\n"
_FIRST = "IMAGE_PIXELS = 8 * 8  # scikit-learn's digits have this one size\n"
BAD = [
    Tree({"src/evaluate.py": Edit(_BINOMTEST, f"{_BINOMTEST}from scipy.stats import binom_test  # <- here\n")}),
    Tree({"src/preprocess.py": Edit("import numpy as np\n", "import numpy as np\n\nNOTHING = np.NaN  # <- here\n")}),
    Tree({"src/model.py": Edit("import torch\n", "import torch\nfrom torch._six import inf  # <- here\n")}),
    Tree({"src/train.py": Edit("    run.finish()", "    print(OmegaConf.deepcopy(cfg))  # <- here\n    run.finish()")}),
    Tree({"src/model.py": Edit(_FIRST, f"{_FIRST}SCHEDULE = torch.optim.lr_scheduler.StepLR(None, 1, verbose=True)  # <- here\n")}),
]
_BY_NAME = 'print(getattr(np, "NaN"))'
_PARTIAL = "print(partial(torch.optim.lr_scheduler.StepLR, step_size=1, verbose=True))"
_OPTIONS = '    options = {{"step_size": 1}}\n    options["{name}"] = True\n'
_STARRED = "    print(torch.optim.lr_scheduler.StepLR(None, **options))"
_END = "    run.finish()"
BAD += [
    Tree({"src/preprocess.py": Edit(_NUMPY, f"{_NUMPY}\n{_BY_NAME}  # <- here\n")}),
    Tree({"src/model.py": Edit("import torch\n", f"from functools import partial\n\nimport torch\n\n{_PARTIAL}  # <- here\n")}),
    Tree({"src/train.py": Edit(_END, f"{_OPTIONS.format(name='verbose')}{_STARRED}  # <- here\n{_END}")}),
]
_OLD = Edit('    "numpy>=1.26",\n', '    "numpy>=1.26,<2",\n')
_LOCK = '[[package]]\nname = "numpy"\nversion = "1.26.4"\n'
_ASKED = "NOTHING = np.NaN if hasattr(np, 'NaN') else np.nan\n"
_GIVEN_BACK = "np.NaN = np.nan\nNOTHING = np.NaN\n"
GOOD = [
    Tree({"pyproject.toml": _OLD, "src/preprocess.py": Edit(_NUMPY, f"{_NUMPY}\nNOTHING = np.NaN\n")}),
    Tree({"uv.lock": _LOCK, "src/preprocess.py": Edit(_NUMPY, f"{_NUMPY}\nNOTHING = np.NaN\n")}),
    Tree({"src/preprocess.py": Edit(_NUMPY, f"{_NUMPY}\n{_ASKED}")}),
    Tree({"src/preprocess.py": Edit(_NUMPY, f"{_NUMPY}\n{_GIVEN_BACK}")}),
    Tree({"src/preprocess.py": Edit(_NUMPY, f'{_NUMPY}\nprint(getattr(np, "NaN", None))\n')}),
    Tree({"src/train.py": Edit(_END, f"{_OPTIONS.format(name='gamma')}{_STARRED}\n{_END}")}),
    Tree({"src/train.py": Edit("    run.finish()", "    print(OmegaConf.to_container(cfg))\n    run.finish()")}),
    Tree({"src/train.py": Edit("    run.finish()", "    omegaconf = OmegaConf.create()\n    print(omegaconf.a)\n    run.finish()")}),
]
