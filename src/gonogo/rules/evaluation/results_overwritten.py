"""EVA133."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, body_nodes, functions, last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

SEED = re.compile(r"(?:^|_)(?:seed|fold)(?:_|$)", re.IGNORECASE)
# Calls that write a file anew: where its path is given.
WRITES = {"torch.save": 1, "numpy.save": 0, "numpy.savez": 0, "numpy.savetxt": 0, "joblib.dump": 1}
TABLES = frozenset({"to_csv", "to_parquet", "to_json", "to_pickle", "write_text"})


@rule("EVA133", "results-overwritten", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def results_overwritten(modules: dict[str, Module]) -> Iterator[Violation]:
    """Each setting or seed of a loop writes its result to one and the same file.

    What it does:
        Looks at loops over seeds, folds, or values that are written down. Speaks where the loop, or a function that it gives its turn,
        writes a file anew under a path that holds nothing of the turn, and nothing reads it within. Loops over epochs and steps are left
        alone, and so are files of what is gathered over the loop, files that are appended to, and writing under a condition.

    Why it matters:
        Only the last result is left. What is read later is called the mean of five seeds, and is that of one.

    Instead:
        Put the seed or setting into the name of the file, or gather the results and write them once after the loop.
    """
    for module in modules.values():
        for call in module.of(ast.Call):
            if (found := _comprehended(module, call)) is not None:
                yield Violation(
                    module.location(found),
                    "each seed writes to the same file: only the last one is left",
                    "put the seed into the name of the file",
                    related=(Related(location=module.location(call), label="it is called for each seed here"),),
                )
        for loop in module.of(ast.For):
            if not (isinstance(loop.target, ast.Name) and _is_over_settings(module, loop)):
                continue
            found = _written(module, list(loop.body), loop.target.id)
            if found is None:
                found = _in_called(module, loop)
            if found is not None and not _is_cut(loop):
                yield Violation(
                    module.location(found),
                    f"each `{loop.target.id}` writes to the same file: only the last one is left",
                    f"put `{loop.target.id}` into the name of the file",
                    related=(Related(location=module.location(loop), label="the loop"),),
                )


def _comprehended(module: Module, call: ast.Call) -> ast.AST | None:
    """The writing of a function that a comprehension gives its turn as its seed.

    Example: `[train(s, folder) for s in range(5)]`.
    """
    around = module.parents.get(call)
    if not isinstance(around, (ast.ListComp, ast.GeneratorExp)) or around.elt is not call or len(around.generators) != 1:
        return None
    turn = around.generators[0].target
    function = next((entry for entry in functions(module) if isinstance(call.func, ast.Name) and entry.name == call.func.id), None)
    if function is None or not isinstance(turn, ast.Name) or call.keywords or len(call.args) > len(function.args.args):
        return None
    given = list(zip(function.args.args, call.args, strict=False))
    taken = [name.arg for name, value in given if _is_turn(value, turn.id)]
    others = [value for _, value in given if not _is_turn(value, turn.id)]
    mixed = any(isinstance(inner, ast.Name) and inner.id == turn.id for value in others for inner in ast.walk(value))
    if len(taken) != 1 or mixed or not SEED.search(taken[0]):
        return None
    return _written(module, list(function.body), taken[0])


def _is_over_settings(module: Module, loop: ast.For) -> bool:
    assert isinstance(loop.target, ast.Name)
    if SEED.search(loop.target.id):
        return True
    over = loop.iter
    return isinstance(over, (ast.List, ast.Tuple)) and len(over.elts) > 1 and all(isinstance(entry, ast.Constant) for entry in over.elts)


def _is_cut(loop: ast.For) -> bool:
    """Whether a loop ends early, or moves, loads or renames what its turns write."""
    words = {last_name(node.func) for node in ast.walk(loop) if isinstance(node, ast.Call)}
    return bool(
        words
        & {
            "run",
            "check_call",
            "check_output",
            "system",
            "rename",
            "move",
            "copy",
            "copyfile",
            "replace",
            "load",
            "read_text",
            "chdir",
            "log_artifact",
            "unlink",
            "remove",
        }
    ) or any(isinstance(node, ast.Break) for node in ast.walk(loop))


def _written(module: Module, body: list[ast.stmt], turn: str) -> ast.AST | None:
    """Where a body writes a file anew, under a path of constants, something that is made in it."""
    made = {node.id for statement in body for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for statement in body:
        for entry in [statement, *(statement.body if isinstance(statement, ast.With) else ())]:
            call = entry.value if isinstance(entry, ast.Expr) else None
            if not isinstance(call, ast.Call):
                continue
            what = _what(module, call)
            if what is None or not _is_made(what, made | {turn}):
                continue
            path = _path(module, call, statement)
            if path is not None and _is_fixed(path, made | {turn}):
                return statement
    return None


def _what(module: Module, call: ast.Call) -> ast.expr | None:
    """What a call writes."""
    dotted = origin(module, call.func)
    if dotted in WRITES and len(call.args) > 1:
        return call.args[1 - WRITES[dotted]]
    if isinstance(call.func, ast.Attribute) and call.func.attr in TABLES:
        return call.args[0] if call.func.attr == "write_text" and call.args else call.func.value
    if dotted in ("json.dump", "pickle.dump", "yaml.dump") and call.args:
        return call.args[0]
    return None


def _path(module: Module, call: ast.Call, statement: ast.stmt) -> ast.expr | None:
    dotted = origin(module, call.func)
    if dotted in WRITES:
        return call.args[WRITES[dotted]]
    if isinstance(call.func, ast.Attribute) and call.func.attr == "write_text":
        return call.func.value
    if isinstance(call.func, ast.Attribute) and call.func.attr in TABLES:
        mode = argument(call, None, "mode")
        return argument(call, 0, "path_or_buf", "path") if mode is None else None
    opened = statement.items[0].context_expr if isinstance(statement, ast.With) and statement.items else None
    if isinstance(opened, ast.Call) and origin(module, opened.func) == "open" and len(opened.args) == 2:
        mode = opened.args[1]
        return opened.args[0] if isinstance(mode, ast.Constant) and str(mode.value).startswith("w") else None
    return None


def _is_made(what: ast.expr, made: set[str]) -> bool:
    """Whether all that is written comes from this turn."""
    names = {node.id for node in ast.walk(what) if isinstance(node, ast.Name)} - {"float", "int", "str", "dict", "json", "np", "list"}
    called = {last_name(node.func) for node in ast.walk(what) if isinstance(node, ast.Call)}
    return bool(names & made) and names - called <= made


def _is_fixed(path: ast.expr, made: set[str]) -> bool:
    """Whether a path is text, names from outside, and `/`: nothing of the turn, and no call."""
    if isinstance(path, ast.Call) and last_name(path.func) not in ("Path", "join", "str"):
        return False
    for node in ast.walk(path):
        if isinstance(node, ast.Name) and node.id in made:
            return False
        if isinstance(node, ast.Call) and last_name(node.func) not in ("Path", "join", "str"):
            return False
        if isinstance(node, ast.Attribute) and not isinstance(path, ast.Call) and node.attr not in ("path", "join"):
            return False
    texts = [node for node in ast.walk(path) if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value]
    return bool(texts)


def _in_called(module: Module, loop: ast.For) -> ast.AST | None:
    """The writing of a function that a loop gives its turn by name."""
    assert isinstance(loop.target, ast.Name)
    own = {entry.name: entry for entry in functions(module) if module.tree is not None and entry in module.tree.body}
    for statement in loop.body:
        for call in ast.walk(statement):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in own):
                continue
            others = [entry for entry in [*call.args, *(entry.value for entry in call.keywords)] if not _is_turn(entry, loop.target.id)]
            if len(others) == len(call.args) + len(call.keywords) or any(_mentions(entry, loop) for entry in others):
                continue
            function = own[call.func.id]
            given = {entry.arg for entry in [*function.args.args, *function.args.kwonlyargs]}
            names = [entry.arg for entry in function.args.args]
            taken = {names[index] for index, entry in enumerate(call.args) if index < len(names) and _is_turn(entry, loop.target.id)}
            taken |= {entry.arg for entry in call.keywords if entry.arg and _is_turn(entry.value, loop.target.id)}
            inner = {node.id for node in body_nodes(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
            found = _written(module, list(function.body), next(iter(taken), "")) if taken else None
            if found is not None and given - taken <= given and inner:
                return found
    return None


def _is_turn(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _mentions(node: ast.expr, loop: ast.For) -> bool:
    """Whether something that a call is given may differ from turn to turn."""
    made = {
        entry.id
        for statement in loop.body
        for entry in ast.walk(statement)
        if isinstance(entry, ast.Name) and isinstance(entry.ctx, ast.Store)
    }
    assert isinstance(loop.target, ast.Name)
    return any(isinstance(entry, ast.Name) and entry.id in made | {loop.target.id} for entry in ast.walk(node))


PROGRAM = """import json
from pathlib import Path

import torch
from torch import nn


def train(seed, folder):
    torch.manual_seed(seed)
    model = nn.Linear(4, 1)
    {save}
    return model.weight.norm().item()


folder = Path("out")
folder.mkdir(exist_ok=True)
scores = []
for seed in range(5):
    score = train(seed, folder)
    scores.append(score)
    {write}
print(sum(scores) / len(scores))
"""
HERE = "  # <- here"


def _program(save: str = "print(seed)", write: str = "print(score)") -> str:
    return PROGRAM.format(save=save, write=write)


BAD = [
    program(_program(f'torch.save(model.state_dict(), folder / "model.pt"){HERE}')),
    program(_program(write=f'with open("out/score.json", "w") as file:{HERE}\n        json.dump({{"seed": seed, "score": score}}, file)')),
    program(
        _program(f'torch.save(model.state_dict(), folder / "model.pt"){HERE}').partition("scores = []")[0]
        + "print([train(s, folder) for s in range(5)])\n"
    ),
    program(_program(write=f'Path("out/score.json").write_text(json.dumps({{"score": score}})){HERE}')),
]
GOOD = [
    program(_program('torch.save(model.state_dict(), folder / f"model-{seed}.pt")')),
    program(_program(write='with open(f"out/{seed}.json", "w") as file:\n        json.dump({"score": score}, file)')),
    program(_program(write='with open("out/scores.json", "w") as file:\n        json.dump(scores, file)')),
    program(_program(write='with open("out/scores.jsonl", "a") as file:\n        json.dump({"score": score}, file)')),
    program(_program(write='if score > 1:\n        torch.save(score, "out/best.pt")')),
    program(
        _program('torch.save(model.state_dict(), folder / "model.pt")')
        .replace("for seed in range(5)", "for epoch in range(5)")
        .replace("train(seed, folder)\n    scores", "train(epoch, folder)\n    scores")
    ),
]
