"""Makes the table of what libraries and their objects have: names, attributes, methods, and how each is called.

    uv run python -m benchmarks.library_objects [DISTRIBUTION …]

The libraries themselves are asked, several versions of each, installed by uv into cached environments of their own. PyTorch's older wheels
need gigabytes beside them to be imported, so their sources are read instead (by griffe). The result is
`src/gonogo/analysis/libraries/objects.json`; a name that any of the versions has is kept, and a call counts as wrong only where no version
could bind it.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

TARGET = Path(__file__).parent.parent / "src/gonogo/analysis/libraries/objects.json"
PYTHON = "3.11"
# Versions that are asked, oldest first.
VERSIONS = {
    "wandb": ["0.16.6", "0.18.7", "0.21.4", "0.24.2", "0.28.2", "0.29.0", "0.31.0"],
    "optuna": ["3.2.0", "3.6.2", "4.0.0", "4.5.0", "5.0.0"],
    "omegaconf": ["2.1.2", "2.2.3", "2.3.1"],
    "hydra-core": ["1.3.0", "1.3.8"],
    "scikit-learn": ["1.2.2", "1.4.2", "1.6.1", "1.9.1"],
    "torch": ["2.15.0"],
}
# Versions whose sources are read: wheels for a platform that needs nothing beside.
READ = {"torch": ["2.0.1", "2.2.2", "2.5.1", "2.8.0"]}
BESIDE = {
    "wandb": ["numpy<2", "setuptools<80"],
    "optuna": ["numpy<2", "scikit-learn", "plotly"],
    "scikit-learn": ["numpy<2", "scipy<1.13"],
    "torch": ["numpy"],
}
BESIDE_NEW = {("scikit-learn", "1.9.1"): [], ("scikit-learn", "1.6.1"): []}
# Modules all public names of which are recorded.
MODULES = {
    "wandb": "wandb wandb.plot wandb.apis.public wandb.sdk.wandb_run wandb.sdk.wandb_config wandb.sdk.wandb_summary",
    "optuna": "optuna optuna.trial optuna.study optuna.samplers optuna.pruners optuna.importance optuna.visualization optuna.distributions "
    "optuna.logging optuna.exceptions",
    "omegaconf": "omegaconf omegaconf.dictconfig omegaconf.listconfig omegaconf.errors",
    "hydra-core": "hydra hydra.utils hydra.core.hydra_config hydra.core.config_store",
    "scikit-learn": "sklearn.base sklearn.metrics sklearn.metrics.pairwise sklearn.model_selection sklearn.preprocessing "
    "sklearn.linear_model "
    "sklearn.ensemble sklearn.svm sklearn.neighbors sklearn.tree sklearn.decomposition sklearn.cluster sklearn.manifold sklearn.pipeline "
    "sklearn.naive_bayes sklearn.neural_network sklearn.calibration sklearn.datasets sklearn.impute sklearn.feature_selection "
    "sklearn.compose sklearn.dummy sklearn.feature_extraction.text sklearn.gaussian_process sklearn.isotonic sklearn.mixture",
    "torch": "torch torch.nn torch.nn.functional torch.nn.init torch.nn.utils torch.nn.utils.rnn torch.optim torch.optim.lr_scheduler "
    "torch.optim.swa_utils torch.utils.data torch.cuda.amp torch.amp torch.nn.parallel torch.autograd",
}
# Classes whose `__getattr__` looks names up among those that are written in its own code, or that only load their own state.
UNDERSTOOD = frozenset({"Module", "Attrs", "Optimizer", "LRScheduler", "ReduceLROnPlateau", "BaseEstimator"})
# Of a library with many classes that experiments never meet, those that are recorded.
ONLY = {
    "wandb": re.compile(
        r"\.(?:Run|Runs|Api|Config|Summary|SummarySubDict|SummaryDict|HTTPSummary|Table|Artifact|ArtifactVersions|Artifacts|Image|Histogram|"
        r"Html|Video|Audio|Sweep|Project|Projects|File|Files|Settings|AlertLevel|Attrs|Paginator|SizedPaginator)$"
    )
}
# Of these it is enough to know what they have.
NAMES_ONLY = re.compile(r"^sklearn\.(?!model_selection)")
LARGEST_MODULE = 400_000
# `__dict__.update` only loads what `__getstate__` stored.
SELF = re.compile(r"""\bself\.([A-Za-z]\w*)|\bsetattr\(self,(?!\s*["'])""")
WORD = re.compile(r"[A-Za-z]\w*")


Names = dict[str, int]  # by name, the versions
Ways = dict[str, int]  # by the way that something is called, the versions


# Modules that give others more names when they are imported.
ENABLERS = ("sklearn.experimental.enable_halving_search_cv", "sklearn.experimental.enable_iterative_imputer")

# -- one version: the child -----------------------------------------------------------------------------------------------


def ask(modules: dict[str, list[str]]) -> dict[str, Any]:
    """What the installed version of a library has.

    Args:
        modules: by the dotted names of its modules, names to ask for that they may give without listing them.

    Returns:
        `modules`: all names of each; `classes`: what each has, and how it is made; `functions`: how each is called; `aliases`: other dotted
        names of the same things.
    """
    warnings.simplefilter("ignore")
    for name in ENABLERS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    found: dict[str, Any] = {"modules": {}, "classes": {}, "functions": {}, "aliases": {}}
    names: dict[int, str] = {}
    for dotted, others in modules.items():
        try:
            module = importlib.import_module(dotted)
        except ImportError:
            continue
        unlisted = {name for name in others if _member(module, name) is not None}
        found["modules"][dotted] = sorted(name for name in {*dir(module), *_submodules(module), *unlisted} if not name.startswith("_"))
        for name in sorted({*dir(module), *unlisted}):
            value = _member(module, name)
            if name.startswith("_") or isinstance(value, ModuleType) or not callable(value):
                continue
            public = names.setdefault(id(value), f"{dotted}.{name}")
            if public != f"{dotted}.{name}":
                found["aliases"][f"{dotted}.{name}"] = public
                continue
            top = str(getattr(value, "__module__", "") or "")
            if top.partition(".")[0] != dotted.partition(".")[0]:
                continue
            own = f"{top}.{getattr(value, '__qualname__', '')}"
            if own != public and "<" not in own:
                found["aliases"][own] = public
            if inspect.isclass(value):
                only = ONLY.get(dotted.partition(".")[0])
                if only is None or only.search(public):
                    found["classes"][public] = _class(value)
            else:
                text = signature_text(value, bound=False)
                if text is not None:
                    found["functions"][public] = text
    return found


def _member(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except Exception:
        return None


def _submodules(module: ModuleType) -> Iterator[str]:
    if hasattr(module, "__path__"):
        yield from (entry.name for entry in pkgutil.iter_modules(module.__path__))


def _class(cls: type) -> dict[str, Any]:
    """What the objects of a class have, and how it is made."""
    members: dict[str, str | None] = {}
    for name in dir(cls):
        if name.startswith("_") and name != "__call__":
            continue
        value = inspect.getattr_static(cls, name)
        members[name] = _of_member(cls, name, value)
    if "forward" in members and "__call__" in members and any(base.__name__ == "Module" for base in cls.__mro__):
        members["__call__"] = members["forward"]
    is_open = False
    for base in cls.__mro__[:-1]:
        names, sets = _written(base)
        for name in names:
            members.setdefault(name, None)
        is_open = is_open or sets or ("__getattr__" in vars(base) and base.__name__ not in UNDERSTOOD)
    lineage = [f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__[1:]]
    return {"members": members, "open": is_open, "init": signature_text(cls, bound=False), "lineage": lineage}


def _of_member(cls: type, name: str, value: Any) -> str | None:
    if isinstance(value, property):
        returned = getattr(value.fget, "__annotations__", {}).get("return", ...)
        plain = re.fullmatch(r"(?:str|int|float|bool|dict|list|tuple)(?:\s*\[.*\])?", _shown(returned))
        return "@" if plain else None
    if isinstance(value, staticmethod):
        return signature_text(value.__func__, bound=False)
    if isinstance(value, classmethod):
        return signature_text(value.__func__, bound=True)
    if inspect.isfunction(value):
        return signature_text(value, bound=True)
    return None


def _shown(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") if annotation is not None else "None"


def _written(cls: type) -> tuple[set[str], bool]:
    """The names that the code of a class writes: attributes of `self` and texts; and whether it may set others."""
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return set(), False
    names = {match[1] for match in SELF.finditer(source) if match[1] and not match[1].startswith("_")}
    sets = any(not match[1] for match in SELF.finditer(source))
    names |= set(getattr(cls, "__annotations__", {}))
    if cls.__name__ == "Module":
        return names, False  # `register_buffer` and the like: the names are texts in the classes themselves
    module = sys.modules.get(cls.__module__)
    if any(base.__name__ in ("Module", "Attrs") for base in cls.__mro__) and module is not None:
        text = inspect.getsource(module) if any(base.__name__ == "Attrs" for base in cls.__mro__) else source
        if len(text) < LARGEST_MODULE:
            tree = ast.parse(inspect.cleandoc("\n" + text) if text is source else text)
            remarks = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in remarks:
                    names |= {re.sub(r"(?<!^)(?=[A-Z])", "_", word).lower() for word in WORD.findall(node.value)}
    return names, sets and cls.__name__ not in UNDERSTOOD


def signature_text(function: Any, bound: bool) -> str | None:
    """How something is called, as the parameters of a `def`; with `~` before it where a wrapper takes what it likes.

    Args:
        function: what is called.
        bound: its first parameter is filled by Python.

    Returns:
        the text, with ` -> None` after it where nothing is returned; None where it can't be told.
    """
    try:
        signature = inspect.signature(function)
        outer = signature if inspect.isclass(function) else inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return None
    wrapped = hasattr(function, "__wrapped__") and str(outer) != str(signature)
    if inspect.isclass(function):
        init = inspect.getattr_static(function, "__init__")
        wrapped = hasattr(init, "__wrapped__")
    parameters = list(signature.parameters.values())
    if bound:
        if not parameters or parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
            return None
        parameters = parameters[1:]
    returns_nothing = signature.return_annotation is None or signature.return_annotation == "None"
    is_async = inspect.iscoroutinefunction(function)
    ending = " -> None" if returns_nothing and not inspect.isclass(function) and not is_async else ""
    return f"{'~' if wrapped else ''}{parameters_text(parameters)}{ending}"


def parameters_text(parameters: list[inspect.Parameter]) -> str:
    """Parameters as they stand in a `def`, each default shown as 0."""
    shown, seen_star = [], False
    kinds = [parameter.kind for parameter in parameters]
    for place, parameter in enumerate(parameters):
        if parameter.kind is parameter.KEYWORD_ONLY and not seen_star:
            shown.append("*")
            seen_star = True
        star = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        seen_star = seen_star or star == "*"
        shown.append(f"{star}{parameter.name}{'=0' if parameter.default is not parameter.empty else ''}")
        if parameter.kind is parameter.POSITIONAL_ONLY and kinds[place + 1 : place + 2] != [parameter.POSITIONAL_ONLY]:
            shown.append("/")
    return ", ".join(shown)


# -- one version: its sources read ----------------------------------------------------------------------------------------


def read(folder: str, asked: dict[str, list[str]]) -> dict[str, Any]:
    """The same for a version that can't be imported: of these classes and functions only.

    Args:
        folder: where the library is unpacked.
        asked: dotted names of `classes` and `functions`, and of `modules`.
    """
    import griffe

    loader = griffe.GriffeLoader(search_paths=[folder], allow_inspection=False)
    tops = {name.partition(".")[0] for names in asked.values() for name in names}
    for top in tops:
        loader.load(top)
    loader.resolve_aliases(external=False)
    found: dict[str, Any] = {"modules": {}, "classes": {}, "functions": {}, "aliases": {}}
    for dotted in asked["modules"]:
        node = _lookup(loader, dotted)
        if node is not None:
            found["modules"][dotted] = sorted(name for name in node.members if not name.startswith("_"))
    for dotted in asked["functions"]:
        node = _lookup(loader, dotted)
        if node is not None and node.is_function:
            found["functions"][dotted] = _griffe_text(node, bound=False)
    for dotted in asked["classes"]:
        node = _lookup(loader, dotted)
        if node is None or not node.is_class:
            continue
        members: dict[str, str | None] = {}
        for name, member in node.all_members.items():
            try:
                target = member.final_target if member.is_alias else member
                members[name] = _griffe_text(target, bound=True) if target.is_function else None
            except Exception:
                members[name] = None
        init = members.get("__init__")
        members = {name: text for name, text in members.items() if not name.startswith("_")}
        if "forward" in members:
            members["__call__"] = members["forward"]
        found["classes"][dotted] = {
            "members": members,
            "open": False,
            "init": init.removesuffix(" -> None") if init else None,
            "lineage": [],
        }
    return found


def _lookup(loader: Any, dotted: str) -> Any:
    try:
        node = loader.modules_collection[dotted]
        return node.final_target if node.is_alias else node
    except Exception:
        return None


def _griffe_text(node: Any, bound: bool) -> str:
    kinds = {
        "positional-only": inspect.Parameter.POSITIONAL_ONLY, "positional or keyword": inspect.Parameter.POSITIONAL_OR_KEYWORD,
        "variadic positional": inspect.Parameter.VAR_POSITIONAL, "keyword-only": inspect.Parameter.KEYWORD_ONLY,
        "variadic keyword": inspect.Parameter.VAR_KEYWORD,
    }  # fmt: skip
    labels = {str(decorator.value) for decorator in node.decorators}
    parameters = []
    for entry in node.parameters:
        kind = kinds[entry.kind.value]
        has_default = entry.default is not None and "variadic" not in entry.kind.value
        parameters.append(inspect.Parameter(entry.name, kind, default=0 if has_default else inspect.Parameter.empty))
    if bound and "staticmethod" not in labels:
        parameters = parameters[1:]
    ending = " -> None" if str(node.returns) == "None" else ""
    wrapped = "~" if labels - {"staticmethod", "classmethod", "torch.no_grad()", "_use_grad_for_differentiable"} else ""
    return f"{wrapped}{parameters_text(parameters)}{ending}"


# -- all versions ---------------------------------------------------------------------------------------------------------


def merged(answers: list[dict[str, Any]], was_read: list[bool]) -> dict[str, Any]:
    """One table of several versions.

    Args:
        answers: of each version, oldest first.
        was_read: whether its sources were only read: what is not seen there may be there.

    Returns:
        every name with the versions that have it, as the bits of a number, the oldest version's lowest; 0 stands for all versions. A
        function or method has such a number for each way that it is called, `?` where that way is not known.
    """
    everywhere = (1 << len(answers)) - 1
    unsure = sum(1 << place for place, read in enumerate(was_read) if read)
    modules: dict[str, Names] = {}
    functions: dict[str, Ways] = {}
    classes: dict[str, dict[str, Any]] = {}
    aliases: dict[str, str] = {}
    for place, answer in enumerate(answers):
        bit = 1 << place
        for dotted, names in answer["modules"].items():
            for name in names:
                kept = modules.setdefault(dotted, {})
                kept[name] = kept.get(name, unsure) | bit
        for dotted, text in answer["functions"].items():
            _add(functions, dotted, text, bit)
        for dotted, entry in answer["classes"].items():
            cls = classes.setdefault(dotted, {"members": {}, "open": False, "init": {}, "lineage": [], "in": 0})
            cls["lineage"], cls["open"], cls["in"] = entry["lineage"] or cls["lineage"], cls["open"] or entry["open"], cls["in"] | bit
            _add(cls["init"], "init", entry["init"], bit)
            for name, text in entry["members"].items():
                if not name.startswith("_") or name == "__call__":
                    _add(cls["members"], name, text, bit)
        aliases |= answer["aliases"]
    table: dict[str, Any] = {"classes": {}}
    table["modules"] = {
        dotted: _names({name: _short(bits, everywhere) for name, bits in names.items()}) for dotted, names in sorted(modules.items())
    }
    table["functions"] = {name: _settled(ways, everywhere, everywhere) for name, ways in sorted(functions.items()) if ways.keys() != {"?"}}
    members = {dotted: _members(dotted, cls, unsure, everywhere) for dotted, cls in sorted(classes.items())}
    for dotted, all_members in members.items():
        lineage = (aliases.get(base, base) for base in classes[dotted]["lineage"])
        base = next((base for base in lineage if base in classes and base != dotted), "")
        own = {name: ways for name, ways in all_members.items() if members.get(base, {}).get(name) != ways}
        table["classes"][dotted] = {
            # What the newest version knows under another name may have got other members there.
            "open": classes[dotted]["open"] or not classes[dotted]["in"] & 1 << (len(answers) - 1),
            "init": _settled(classes[dotted]["init"]["init"], everywhere, everywhere),
            "base": base,
            "names": _names({name: ways["?"] for name, ways in own.items() if ways.keys() == {"?"}}),
            "methods": {name: ways for name, ways in sorted(own.items()) if ways.keys() != {"?"}},
        }
    known = table["classes"].keys() | table["functions"].keys()
    table["aliases"] = {name: of for name, of in sorted(aliases.items()) if of in known and name not in known}
    return table


def _members(dotted: str, cls: dict[str, Any], unsure: int, everywhere: int) -> dict[str, Ways]:
    """The members of a class; a version that has no such class says nothing of them."""
    unsure |= everywhere & ~cls["in"]
    if NAMES_ONLY.match(dotted):
        return {name: _settled({"?": sum(ways.values())}, everywhere, unsure) for name, ways in cls["members"].items()}
    return {name: _settled(ways, everywhere, unsure) for name, ways in cls["members"].items()}


def _settled(ways: Ways, everywhere: int, unsure: int) -> Ways:
    """The ways with their versions; those of the unsure versions that are in none may be any."""
    left = unsure & ~sum(ways.values())
    if left:
        ways = {**ways, "?": ways.get("?", 0) | left}
    return {text: _short(bits, everywhere) for text, bits in sorted(ways.items())}


def _short(bits: int, everywhere: int) -> int:
    return 0 if bits == everywhere else bits


def _names(names: Names) -> str:
    """Names, each with its versions where these are not all."""
    return " ".join(f"{name}:{bits}" if bits else name for name, bits in sorted(names.items()))


def _add(kept: dict[str, Ways], name: str, text: str | None, bit: int) -> None:
    ways = kept.setdefault(name, {})
    text = "?" if text is None else text
    ways[text] = ways.get(text, 0) | bit


def _child(packages: list[str], *arguments: str, given: Any) -> dict[str, Any]:
    options = [word for package in packages for word in ("--with", package)]
    command = ["uv", "run", "--quiet", "--no-project", "--python", PYTHON, *options, "python", __file__, *arguments]
    environment = {**os.environ, "CHILD": "1", "WANDB_MODE": "disabled"}
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(packages)} could not be asked: {done.stderr.strip()[-800:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _sources(distribution: str, version: str, folder: str) -> None:
    """Unpack a wheel for a platform on which the library needs nothing beside."""
    command = ["uv", "pip", "install", "--quiet", "--target", folder, "--no-deps", "--python-version", PYTHON]
    command += ["--python-platform", "aarch64-apple-darwin", f"{distribution}=={version}"]
    subprocess.run(command, check=True)


def main() -> int:
    """Ask every version of every library, or of those that are named, and write the table."""
    wanted = sys.argv[1:] or list(VERSIONS)
    whole: dict[str, Any] = json.loads(TARGET.read_text("utf-8")) if TARGET.exists() and sys.argv[1:] else {}
    for distribution in wanted:
        modules: dict[str, list[str]] = {dotted: [] for dotted in MODULES[distribution].split()}
        answers: dict[str, dict[str, Any]] = {}
        for version in VERSIONS[distribution]:
            beside = BESIDE_NEW.get((distribution, version), BESIDE.get(distribution, []))
            answers[version] = _child([f"{distribution}=={version}", *beside], given=modules)
            for dotted, names in answers[version]["modules"].items():
                modules[dotted] = sorted({*modules[dotted], *names})
            print(f"{distribution} {version}: {len(answers[version]['classes'])} classes", flush=True)
        asked = {
            part: sorted({name for answer in answers.values() for name in answer[part]}) for part in ("classes", "functions", "modules")
        }
        for version in READ.get(distribution, []):
            with tempfile.TemporaryDirectory() as folder:
                _sources(distribution, version, folder)
                answers[version] = _child(["griffe<2"], folder, given=asked)
            print(f"{distribution} {version}: {len(answers[version]['classes'])} classes read", flush=True)
        versions = sorted(answers, key=lambda text: tuple(map(int, text.split("."))))
        was_read = [version in READ.get(distribution, []) for version in versions]
        whole[distribution] = {"versions": versions, **merged([answers[version] for version in versions], was_read)}
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(json.dumps(whole, indent=0, sort_keys=True) + "\n", "utf-8")
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    if "CHILD" in os.environ:
        request = json.load(sys.stdin)
        print(json.dumps(read(sys.argv[1], request) if len(sys.argv) > 1 else ask(request)))
    else:
        sys.exit(main())
