"""EVA103."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import calls, origin, text_of
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

PLAIN_TYPES = frozenset({"str", "Path", "pathlib.Path", "int"})
# Signs that the module takes the command line apart by other means as well.
OTHER_MEANS = frozenset({"argv", "from_cli", "from_dotlist", "parse_known_args"})
SPLITTERS = frozenset({"split", "rsplit", "partition", "rpartition", "removeprefix", "lstrip", "strip", "replace", "index", "find"})


@rule("EVA103", "evaluation-cli", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def evaluation_cli(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The evaluation does not take the arguments of its documented command.

    What it does:
        The documented command gives `key=value`. Looks for an `argparse` parser that takes the keys as options, or as
        positional arguments: those get the whole text, key and equals sign included. Silent where the text is taken
        apart anywhere in the module.

    Why it matters:
        With options the command ends in a usage error. With positional arguments the results go into a folder that is
        really called `results_dir=…`, and the list of runs is not valid JSON.

    Instead:
        Split each argument at its first `=`, or use Hydra or `OmegaConf.from_cli()`.
    """
    module = modules.get(module_path(contract.evaluation.module))
    keys = contract.evaluation.keys()
    if module is None or not keys or _has_other_means(module, keys):
        return
    parsers = [call for call in calls(module) if origin(module, call.func) in ("argparse.ArgumentParser", "ArgumentParser")]
    parses = [call for call in calls(module) if isinstance(call.func, ast.Attribute) and call.func.attr == "parse_args"]
    arguments = [call for call in calls(module) if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"]
    if (
        not parsers
        or not parses
        or any(call.args or call.keywords for call in [*parses])
        or any(call.keywords for call in parsers if _is_odd(call))
    ):
        return
    first = next((call for call in arguments if _name(call).lstrip("-").replace("-", "_") in keys), None)
    if first is None or any(_is_open(call) for call in arguments):
        return
    documented = " ".join(contract.evaluation.arguments)
    if _name(first).startswith("-"):
        problem = f"takes options such as `{_name(first)}`, but the documented command gives `{documented}`: it ends in a usage error"
    else:
        problem = (
            f"takes `{_name(first)}` as it stands, but the documented command gives `{documented}`: the name would be part of the value"
        )
    yield Violation(module.location(first), f"the evaluation {problem}", "read `key=value` arguments: split each at its first `=`")


def _name(call: ast.Call) -> str:
    """The name of an option (its long form) or positional argument, empty if it is not a literal."""
    names = [text for entry in call.args if (text := text_of(entry)) is not None]
    return max(names, key=len, default="")


def _is_odd(parser: ast.Call) -> bool:
    return any(keyword.arg in (None, "prefix_chars", "fromfile_prefix_chars", "parents") for keyword in parser.keywords)


def _is_open(call: ast.Call) -> bool:
    """Whether an argument may take `key=value` after all: several words, a conversion or an action of one's own."""
    if not _name(call) or any(keyword.arg is None for keyword in call.keywords):
        return True
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if "type" in given and qualified_name(given["type"]) not in PLAIN_TYPES and not _name(call).startswith("-"):
        return True
    if "action" in given and text_of(given["action"]) is None:
        return True
    return not _name(call).startswith("-") and "nargs" in given


def _has_other_means(module: Module, keys: list[str]) -> bool:
    for node in module.of(ast.Attribute, ast.Call, ast.Constant, ast.Name):
        if isinstance(node, ast.Attribute) and node.attr in OTHER_MEANS:
            return True
        if isinstance(node, ast.Call) and _may_split_at_equals(node):
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in [f"{key}=" for key in keys]:
            return True
        if isinstance(node, (ast.Name, ast.Attribute)) and origin(module, node) in ("hydra.main", "re.match", "re.sub", "shlex.split"):
            return True
    return False


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
