"""MOD104."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.config_places import paths_of
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, argument, calls, is_none_literal, last_name, text_of
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule

KEYS = ("method", "objective")
FOLDING = frozenset({"lower", "upper", "casefold", "strip", "replace"})


@rule("MOD104", "method-not-dispatched", criterion=4, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("method",))
def method_not_dispatched(runs: list[Run], modules: dict[str, Module], contract: Contract, traces: list[Trace]) -> Iterator[Violation]:
    """Every run's method falls through all the comparisons that the code makes of it.

    What it does:
        Collects what the code compares `method` (or `objective`) with, and the keys of the tables that it looks it up in.
        Speaks where the runs name at least two methods and none of them is among these texts: all runs then take the
        branch for anything else. One method in that branch may be meant; a `raise` there is RUN105's matter. Where the code
        asks for another text or switch of the run configs that tells the same runs apart, the method is only a label.
        Speaks of a single method, too, that the code knows in another spelling (`label_smoothing` for `label-smoothing`), where
        nothing changes the spelling and no run has the other one.

    Why it matters:
        All runs do the same thing under different names, and their comparison finds no difference.

    Instead:
        Spell the methods in the run configs as the code does, and end the chain of comparisons with an error.
    """
    if not all_parsed(modules) or any(trace.raised for trace in traces):
        return
    training = training_modules(modules, contract)
    for key in KEYS:
        named = {value: run for run in runs if isinstance(value := _value(run, key), str)}
        if len(named) < 2:
            continue
        places = [(module, node, texts) for module in training for node, texts in _comparisons(module, key)]
        yield from _misspelt(named, key, training, places)
        known = {text for _, _, texts in places for text in texts or ()}
        if not known or any(texts is None for _, _, texts in places) or not _always_the_setting(training, key):
            continue
        if any(_meets(value, text) for value in named for text in known) or _is_label(runs, key, training):
            continue
        if any(_is_refused(module, key) for module in training):
            continue
        module, node, _ = places[0]
        shown = " and ".join(repr(value) for value in sorted(named)[:2])
        yield Violation(
            module.location(node),
            f"the runs' `{key}` is {shown}, but the code knows only {', '.join(quoted(sorted(known)))}: all runs do the same",
            f"spell `{key}` the same in the run configs and in the code, and refuse what is not known",
            related=tuple(Related(location=run.locate((key,)), label="a run that falls through") for run in list(named.values())[:2]),
            runs=tuple(run.id for run in runs),
        )


def _misspelt(
    named: dict[str, Run], key: str, training: list[Module], places: list[tuple[Module, ast.AST, set[str] | None]]
) -> Iterator[Violation]:
    """Yield a method that the code knows in another spelling.

    Its run takes the branch for anything else.
    """
    tables = [(module, node, texts or _keys_of_table(module, node)) for module, node, texts in places]
    known = {text for _, _, texts in tables for text in texts or ()}
    if (
        any(texts is None for _, _, texts in tables)
        or not _always_the_setting(training, key)
        or _is_label([*named.values()], key, training)
    ):
        return
    if any(_is_refused(module, key) or _is_respelt(module, key) for module in training):
        return
    for value, run in named.items():
        meant = sorted(text for text in known - named.keys() if text != value and _spelling(text) == _spelling(value))
        if value in known or not meant:
            continue
        module, node, _ = next(place for place in tables if meant[0] in (place[2] or ()))
        yield Violation(
            module.location(node),
            f"the run's `{key}` is {value!r}, and the code knows {meant[0]!r} only: the run does what is meant for anything else",
            f"spell `{key}` the same in the run config and in the code, and refuse what is not known",
            related=(Related(location=run.locate((key,)), label="the run that falls through"),),
            runs=(run.id,),
        )


def _spelling(text: str) -> str:
    """A name without what spellings differ in."""
    return "".join(character for character in text.lower() if character.isalnum())


def _is_respelt(module: Module, key: str) -> bool:
    """Return whether anything changes the spelling of a setting.

    Examples: `method.replace("-", "_")`, `normalise(method)`, `Method(method)`.
    """
    for call in calls(module):
        if isinstance(call.func, ast.Attribute) and call.func.attr in FOLDING and _is_named(call.func.value, key):
            return True
    return False


def _keys_of_table(module: Module, node: ast.AST) -> set[str] | None:
    """Return the keys of the table in which a setting is looked up with a default.

    The table is a dict that is written out and never added to.
    """
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and len(node.args) == 2):
        return None
    table: ast.AST = node.func.value
    if isinstance(table, ast.Name):
        name = table.id
        stores = [entry for entry in module.of(ast.Name) if entry.id == name and isinstance(entry.ctx, ast.Store)]
        uses = [module.parents[entry] for entry in module.of(ast.Name) if entry.id == name and isinstance(entry.ctx, ast.Load)]
        binding = module.parents[stores[0]] if len(stores) == 1 else None
        if not isinstance(binding, (ast.Assign, ast.AnnAssign)) or binding.value is None:
            return None
        if any(not (isinstance(use, (ast.Compare, ast.Attribute)) and getattr(use, "attr", "get") == "get") for use in uses):
            return None
        table = binding.value
    if not isinstance(table, ast.Dict):
        return None
    keys = [text_of(entry) if entry is not None else None for entry in table.keys]
    return None if None in keys else {entry for entry in keys if entry is not None}


def _value(run: Run, key: str) -> object:
    return run.document.get(run.section(key)) if key == "method" else run.document.get((*run.section("training"), key))


def _is_refused(module: Module, key: str) -> bool:
    """Return whether an exception names the setting.

    An unknown value may end there, in a way that could not be followed.
    """
    return any(_is_named(node, key) for entry in module.of(ast.Raise) for node in ast.walk(entry) if isinstance(node, ast.expr))


def _is_label(runs: list[Run], key: str, modules: list[Module]) -> bool:
    """Return whether the code may distinguish the runs by another text or switch.

    Such a value differs wherever the method does.
    """
    own = [_value(run, key) for run in runs]
    pairs = [(left, right) for left in range(len(runs)) for right in range(left) if own[left] != own[right]]
    for path in (path for path in paths_of(runs[0].document.value) if path[-1] not in (key, "run_id")):
        values = [run.document.get(path) for run in runs]
        told_apart = all(str(values[left]) != str(values[right]) for left, right in pairs)
        plain = all(value is None or isinstance(value, (str, bool)) for value in values)
        if told_apart and plain and any(_is_asked(module, path[-1]) for module in modules):
            return True
    return False


def _is_asked(module: Module, key: str) -> bool:
    """Whether anything but an assignment is made of a value of this name."""
    taken = any(entry.arg == key for entry in module.of(ast.arg)) or any(_is_named(entry.value, key) for entry in module.of(ast.Assign))
    for node in module.of(ast.Name, ast.Attribute, ast.Subscript, ast.Call):
        if isinstance(node, ast.Name) and not taken:
            continue  # a function or module of that name
        named = _is_named(node, key) if not isinstance(node, ast.Call) else any(text_of(entry) == key for entry in node.args)
        if named and not isinstance(getattr(node, "ctx", None), ast.Store) and not isinstance(module.parents[node], ast.Assign):
            return True
    return False


def _meets(value: str, text: str) -> bool:
    """Return whether a comparison with a text may hold for a value.

    It may also hold for a part of it, and with other case or dashes.
    """
    one, other = (entry.lower().replace("-", "_").replace(" ", "_") for entry in (value, text))
    return one in other or other in one


def _comparisons(module: Module, key: str) -> Iterator[tuple[ast.AST, set[str] | None]]:
    """What the code holds a value of this name against; None for a comparison that no text shows."""
    for compare in module.of(ast.Compare):
        sides = [compare.left, *compare.comparators]
        if any(_is_named(side, key) for side in sides):
            yield compare, _texts([side for side in sides if not _is_named(side, key)])
    for switch in module.of(ast.Match):
        if _is_named(switch.subject, key):
            yield switch, _texts([case.pattern.value for case in switch.cases if isinstance(case.pattern, ast.MatchValue)])
    for node in module.of(ast.Subscript, ast.Call):
        if isinstance(node, ast.Subscript) and _is_named(node.slice, key):
            yield node, None
        if isinstance(node, ast.Call) and any(_is_named(entry, key) for entry in node.args):
            handed_on = isinstance(node.func, ast.Attribute) and node.func.attr in (
                "get",
                "startswith",
                "endswith",
                "search",
                "match",
                "__getitem__",
            )
            if handed_on or (isinstance(node.func, ast.Name) and node.func.id in ("getattr", "globals", "eval")):
                yield node, None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_named(node.func.value, key):
            if node.func.attr in ("startswith", "endswith"):
                yield node, _texts(list(node.args))
            elif node.func.attr not in FOLDING:
                yield node, None


def _always_the_setting(modules: list[Module], key: str) -> bool:
    """Return whether a plain name like the key is always the setting.

    It is assigned from the setting, or is a parameter that every call passes the setting to.
    """
    for module in modules:
        for assignment in module.of(ast.Assign):
            if any(isinstance(target, ast.Name) and target.id == key for target in assignment.targets) and not _is_named(
                assignment.value, key
            ):
                return False
        for function in module.of(ast.FunctionDef):
            names = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args)]
            if key not in names:
                continue
            index = names.index(key) - (names[0] in ("self", "cls"))
            made = [call for other in modules for call in calls(other) if last_name(call.func) == function.name]
            if not made or any((given := argument(call, index, key)) is None or not _is_named(given, key) for call in made):
                return False
    return True


def _is_named(node: ast.expr, key: str) -> bool:
    """`method`, `cfg.method`, `cfg["method"]`, folded to lower case or not."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FOLDING:
        node = node.func.value
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
        node = node.args[0]
    if isinstance(node, ast.Name):
        return node.id == key
    if isinstance(node, ast.Attribute):
        return node.attr == key
    return isinstance(node, ast.Subscript) and text_of(node.slice) == key


def _texts(sides: list[ast.expr]) -> set[str] | None:
    found: set[str] = set()
    for side in sides:
        entries = side.elts if isinstance(side, (ast.List, ast.Tuple, ast.Set)) else [side]
        for entry in entries:
            text = text_of(entry)
            if text is None and not is_none_literal(entry):
                return None
            found.update([text] if text is not None else [])
    return found


OLD = """    if method == "label-smoothing" and objective == "smoothed_cross_entropy":
        return nn.CrossEntropyLoss(label_smoothing=smoothing)
    if method == "cross-entropy" and objective == "cross_entropy":
        if smoothing != 0.0:
            raise ValueError(f"plain cross-entropy takes no label smoothing, but the run sets {smoothing}")
        return nn.CrossEntropyLoss()
    raise ValueError(f"method {method!r} with objective {objective!r} is not implemented")
"""
TAKEN = """    if {test}:{marker}
        return nn.CrossEntropyLoss(label_smoothing=smoothing)
    return nn.CrossEntropyLoss()
"""
GUARDED = """    if method == "ensemble":
        print("this takes a while")
    if objective == "smoothed_cross_entropy":
        return nn.CrossEntropyLoss(label_smoothing=smoothing)
    return nn.CrossEntropyLoss()
"""
REFUSED = """    if method == "proposed":
        return nn.CrossEntropyLoss(label_smoothing=smoothing)
    if method == "baseline":
        return nn.CrossEntropyLoss()
    raise ValueError(f"unknown method {method}")
"""
LOOKED_UP = """    table = {{"{name}": lambda: nn.CrossEntropyLoss(label_smoothing=smoothing)}}
    return table.get(method, nn.CrossEntropyLoss)(){marker}
"""
RESPELT = """    method = method.replace("-", "_")
    if method == "label_smoothing":
        return nn.CrossEntropyLoss(label_smoothing=smoothing)
    return nn.CrossEntropyLoss()
"""
BAD = [
    Tree({"src/model.py": Edit(OLD, TAKEN.format(test=test, marker="  # <- here"))})
    for test in ('method == "proposed"', 'method == "label_smoothing"', 'method in ("LabelSmoothing", "smooth")')
]
BAD.append(Tree({"src/model.py": Edit(OLD, LOOKED_UP.format(name="label_smoothing", marker="  # <- here"))}))
GOOD = [
    Tree({"src/model.py": Edit(OLD, TAKEN.format(test='method == "label-smoothing"', marker=""))}),
    Tree({"src/model.py": Edit(OLD, GUARDED)}),
    Tree({"src/model.py": Edit(OLD, RESPELT)}),
    Tree({"src/model.py": Edit(OLD, LOOKED_UP.format(name="label-smoothing", marker=""))}),
    Tree({"src/model.py": Edit(OLD, LOOKED_UP.format(name="mixup", marker=""))}),
    Tree({"src/model.py": Edit(OLD, REFUSED)}),
]
