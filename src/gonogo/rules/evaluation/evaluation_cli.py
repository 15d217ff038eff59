"""EVA103."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import calls, last_name, origin, text_of
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking.evaluation_start import evaluation_start
from gonogo.model.contract import Contract, module_path
from gonogo.model.edits import insertion
from gonogo.model.finding import Change, Fix, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule

PLAIN_TYPES = frozenset({"str", "Path", "pathlib.Path", "int"})
# Signs that the module takes the command line apart by other means as well.
OTHER_MEANS = frozenset({"argv", "from_cli", "from_dotlist", "parse_known_args"})
PATTERNS = frozenset({"re.match", "re.sub", "re.split", "re.search", "re.fullmatch", "re.findall", "shlex.split"})
# Calls that take a text as it stands, and give something that the name of the key is part of, or an error.
CONSUMERS = frozenset({"json.loads", "ast.literal_eval", "pathlib.Path", "Path", "os.path.join", "os.makedirs", "os.path.abspath", "print"})
ACTION = "read `key=value` arguments: split each at its first `=`"
SPLITTERS = frozenset({"split", "rsplit", "partition", "rpartition", "removeprefix", "lstrip", "strip", "replace", "index", "find"})


@rule("EVA103", "evaluation-cli", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def evaluation_cli(
    modules: dict[str, Module], sources: Sources, contract: Contract, evaluation_trace: Trace | None, runs: list[Run]
) -> Iterator[Violation]:
    """The evaluation does not take the arguments of its documented command.

    What it does:
        The documented command gives `key=value`. Follows the evaluation with just these arguments, up to what it asks W&B for: they
        can't be read, a key is looked for that is not among them, a run is asked for that has no such id. Where this can't be followed,
        looks for an `argparse` parser that takes the keys as options, or as positional arguments, which get the whole text, key and
        equals sign included. Silent where the command line may be taken apart in another way.

    Why it matters:
        With options the command ends in a usage error. With positional arguments the results go into a folder that is
        really called `results_dir=…`, and the list of runs is not valid JSON.

    Instead:
        Split each argument at its first `=`, or use Hydra or `OmegaConf.from_cli()`.
    """
    module = modules.get(module_path(contract.evaluation.module))
    keys = contract.evaluation.keys()
    if module is None or not keys:
        return
    followed = evaluation_start(evaluation_trace, keys, [run.id for run in runs]) if evaluation_trace is not None else None
    if followed is not None and followed.is_well:
        return
    found = _written(module, sources, contract)
    if found is not None:
        yield found
    elif followed is not None and followed.site is not None:
        location = followed.site.module.location(followed.site.node)
        documented = " ".join(contract.evaluation.arguments)
        yield Violation(location, f"the documented command gives `{documented}`: {followed.problem}", ACTION)


def _written(module: Module, sources: Sources, contract: Contract) -> Violation | None:
    """A parser that surely does not take the documented arguments, as it is written."""
    keys = contract.evaluation.keys()
    if _has_other_means(module):
        return None
    parsers = [call for call in calls(module) if origin(module, call.func) in ("argparse.ArgumentParser", "ArgumentParser")]
    parses = [call for call in calls(module) if _is_parsing(call)]
    arguments = [call for call in calls(module) if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"]
    if (
        not parsers
        or not parses
        or any(call.keywords or any(ast.unparse(entry) != "sys.argv[1:]" for entry in call.args) for call in parses)
        or any(call.keywords for call in parsers if _is_odd(call))
    ):
        return None
    first = next((call for call in arguments if _name(call).lstrip("-").replace("-", "_") in keys), None)
    if first is None or any(_is_open(call) for call in arguments):
        return None
    if not _name(first).startswith("-") and _may_be_split(module, sources, keys):
        return None
    documented = " ".join(contract.evaluation.arguments)
    if _name(first).startswith("-"):
        problem = f"takes options such as `{_name(first)}`, but the documented command gives `{documented}`: it ends in a usage error"
    else:
        problem = (
            f"takes `{_name(first)}` as it stands, but the documented command gives `{documented}`: the name would be part of the value"
        )
    return Violation(module.location(first), f"the evaluation {problem}", ACTION, fix=_fix(module, parses, arguments, keys))


def _fix(module: Module, parses: list[ast.Call], arguments: list[ast.Call], keys: list[str]) -> Fix | None:
    """Hand the parser the words in the form that it takes.

    It is given where one call parses, and the parser takes the keys alone, each by its own name and as one word.
    """
    names = [_name(call) for call in arguments]
    options = [name.startswith("--") for name in names]
    if len(parses) != 1 or any(keyword.arg in ("nargs", "action", "dest") for call in arguments for keyword in call.keywords):
        return None
    if all(options) and {name.removeprefix("--") for name in names} >= set(keys):
        words, what = '[word if word.startswith("-") else f"--{word}" for word in sys.argv[1:]]', "give each `key=value` to its option"
    elif not any(options) and names == keys:
        words, what = '[word.partition("=")[2] or word for word in sys.argv[1:]]', "take the key off each `key=value`"
    else:
        return None
    (call,) = parses
    place, method = module.location(call), module.location(call.func)
    inside = place.model_copy(update={"line": method.end_line, "column": method.end_column})
    changes = [Change(location=inside, text=f"({words})")]
    if module.imports.get("sys") != "sys":
        later = next((node for node in (module.tree.body if module.tree else ()) if _comes_after_sys(node)), None)
        if later is None:
            return None
        changes.append(insertion(module.path, later.lineno, "import sys"))
    return Fix(what=what, changes=tuple(changes), is_safe=True)


def _comes_after_sys(node: ast.stmt) -> bool:
    """Whether `import sys` stands before a statement where imports are sorted."""
    if isinstance(node, ast.Import):
        return node.names[0].name > "sys"
    return isinstance(node, ast.ImportFrom) and node.module != "__future__"


def _name(call: ast.Call) -> str:
    """The name of an option (its long form) or positional argument, empty if it is not a literal."""
    names = [text for entry in call.args if (text := text_of(entry)) is not None]
    return max(names, key=len, default="")


def _is_odd(parser: ast.Call) -> bool:
    return any(keyword.arg in (None, "prefix_chars", "fromfile_prefix_chars", "parents") for keyword in parser.keywords)


def _is_open(call: ast.Call) -> bool:
    """Return whether an argument may accept `key=value` after all.

    It may if it takes several words, or has a custom conversion or action.
    """
    if not _name(call) or any(keyword.arg is None for keyword in call.keywords):
        return True
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if "type" in given and qualified_name(given["type"]) not in PLAIN_TYPES and not _name(call).startswith("-"):
        return True
    if "action" in given and text_of(given["action"]) is None:
        return True
    return not _name(call).startswith("-") and "nargs" in given


def _has_other_means(module: Module) -> bool:
    """Whether the module may take the command line apart without the parser."""
    return any(
        (last_name(node) in OTHER_MEANS and not _is_harmless(module, node)) or origin(module, node) == "hydra.main"
        for node in module.of(ast.Name, ast.Attribute)
    )


def _is_harmless(module: Module, node: ast.AST) -> bool:
    """Return whether the command line is not interpreted here.

    It is counted, passed to the parser as it is, or passed to a function that leaves it unchanged.
    """
    if origin(module, node) != "sys.argv":
        return False
    parent = module.parents.get(node)
    if isinstance(parent, ast.Subscript) and ast.unparse(parent.slice) == "1:":
        node, parent = parent, module.parents.get(parent)
    if not isinstance(parent, ast.Call) or node not in parent.args:
        return False
    if origin(module, parent.func) in ("len", "print") or _is_parsing(parent):
        return True
    definition = module.definitions.get(last_name(parent.func))
    if not isinstance(definition, ast.FunctionDef) or definition.args.vararg is not None:
        return False
    names = [argument.arg for argument in (*definition.args.posonlyargs, *definition.args.args)]
    place = parent.args.index(node)
    return place < len(names) and all(inner.id != names[place] for inner in ast.walk(definition) if isinstance(inner, ast.Name))


def _is_parsing(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "parse_args"


def _may_be_split(module: Module, sources: Sources, keys: list[str]) -> bool:
    """Whether what a positional argument got may be taken apart at its equals sign."""
    if any(isinstance(node.value, str) and node.value in [f"{key}=" for key in keys] for node in module.of(ast.Constant)):
        return True
    got = [node for node in module.of(ast.Attribute) if node.attr in keys]
    if got and all(_is_consumed(module, node) for node in got) and not _is_handed_on(module):
        return False
    return any(_may_be_got(module, sources, text, keys) for call in calls(module) for text in _taken_apart(module, call))


def _is_consumed(module: Module, node: ast.Attribute) -> bool:
    """Whether an argument's value goes at once to something that takes it as it stands."""
    parent = module.parents.get(node)
    return isinstance(node.ctx, ast.Load) and isinstance(parent, ast.Call) and origin(module, parent.func) in CONSUMERS


def _is_handed_on(module: Module) -> bool:
    """Whether the parsed arguments are used as a whole."""
    names = {
        target.id
        for node in module.of(ast.Assign)
        if isinstance(node.value, ast.Call) and _is_parsing(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return not names or any(
        node.id in names and isinstance(node.ctx, ast.Load) and not isinstance(module.parents.get(node), ast.Attribute)
        for node in module.of(ast.Name)
    )


def _taken_apart(module: Module, call: ast.Call) -> list[ast.expr]:
    """The texts that a call may take apart at an equals sign."""
    if _may_split_at_equals(call):
        assert isinstance(call.func, ast.Attribute)
        return [call.func.value]
    return list(call.args) if origin(module, call.func) in PATTERNS else []


def _may_be_got(module: Module, sources: Sources, node: ast.expr, keys: list[str]) -> bool:
    """Whether an expression may be what a positional argument got, or may hold it."""
    result = sources.follow(module, node)
    return not result.complete or any(_holds(source.node, keys) for source in result.sources)


def _holds(node: ast.expr, keys: list[str]) -> bool:
    if isinstance(node, ast.Call) and qualified_name(node.func) in CONSUMERS - {"pathlib.Path", "Path"}:
        return False  # JSON with the key before it is an error
    return any(
        (isinstance(inner, ast.Attribute) and inner.attr in (*keys, "parse_args"))
        or (isinstance(inner, ast.Name) and inner.id == "vars")
        or (text_of(inner) in keys)
        for inner in ast.walk(node)
    )


def _may_split_at_equals(call: ast.Call) -> bool:
    """Whether a text is taken apart at an equals sign, or at something that is not told."""
    if not call.args or not isinstance(call.func, ast.Attribute) or call.func.attr not in SPLITTERS:
        return False
    separator = text_of(call.args[0])
    return "=" in separator if separator is not None else isinstance(call.args[0], (ast.Name, ast.Attribute, ast.JoinedStr))


BAD = Tree(
    {
        "src/evaluate.py": (
            Edit("import json\nimport sys\n", "import argparse\nimport json\nimport sys\n"),
            Edit(
                '    values = dict(argument.split("=", 1) for argument in arguments if "=" in argument)\n',
                "    parser = argparse.ArgumentParser()\n"
                '    parser.add_argument("results_dir")  # <- here\n'
                '    parser.add_argument("run_ids")\n'
                "    values = vars(parser.parse_args())\n",
            ),
            Edit("if len(arguments) != 2 or set(values)", "if set(values)"),
            Edit("results_dir, run_ids = parse_arguments(sys.argv[1:])", "results_dir, run_ids = parse_arguments([])"),
        )
    }
)
GOOD = Tree(
    {
        "src/evaluate.py": Edit(
            '    values = dict(argument.split("=", 1) for argument in arguments if "=" in argument)\n',
            "    values = dict(OmegaConf.from_cli(arguments))\n",
        )
    }
)
