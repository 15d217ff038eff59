"""TRN163."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, last_name, origin, text_of
from gonogo.analysis.python.scopes import COMPREHENSIONS
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

LIBRARIES = ("transformers.", "sentence_transformers.", "diffusers.", "spacy.load", "whisper.load_model", "open_clip.")
CACHES = frozenset({"cache", "lru_cache", "cached", "cache_resource", "memoize"})


@rule("TRN163", "loaded-each-time", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def loaded_each_time(modules: dict[str, Module]) -> Iterator[Violation]:
    """A pretrained network is loaded anew for each example.

    What it does:
        Looks at networks, tokenizers and pipelines of transformers, sentence-transformers, diffusers and the like that are loaded by a
        name that is written down. Speaks where that stands in a loop, or in a function that is called in one, whose turns do not go into
        it. Silent about functions that are cached, about loops over seeds, folds or settings, and where the network is trained.

    Why it matters:
        Reading the weights takes seconds and using them milliseconds: a test set of ten thousand takes a day instead of minutes, and GPU
        memory fills where copies are kept.

    Instead:
        Load it once, before the loop, and hand it over.
    """
    for module in modules.values():
        if any(last_name(call.func) in ("backward", "step", "train", "fit") for call in module.of(ast.Call)):
            continue
        for call in module.of(ast.Call):
            if not _loads(module, call):
                continue
            loop = _loop(module, call)
            function = next(
                (parent for parent in ancestors(module, call) if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef))), None
            )
            if loop is None and function is not None and not _is_cached(function) and _is_plain(module, call, function):
                used = [other for other in module.of(ast.Call) if isinstance(other.func, ast.Name) and other.func.id == function.name]
                loop = next((found for other in used if (found := _loop(module, other)) is not None), None)
            if loop is not None and not _is_changed(loop) and (function is None or not _is_changed(function)):
                yield Violation(
                    module.location(call),
                    "the network is loaded anew in each turn of a loop",
                    "load it once, before the loop",
                    related=(Related(location=module.location(loop), label="the loop"),),
                )


def _is_changed(around: ast.AST) -> bool:
    """Whether networks are changed there, so that the next turn needs a fresh one.

    A part is set, or a method in place is called.
    """
    for node in ast.walk(around):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)):
            return True
        name = last_name(node.func) if isinstance(node, ast.Call) else ""
        if (name.endswith("_") and not name.startswith("_")) or name in ("load_state_dict", "apply", "setattr", "resize_token_embeddings"):
            return True
    return False


def _loads(module: Module, call: ast.Call) -> bool:
    dotted = origin(module, call.func)
    if not dotted.startswith(LIBRARIES) or not call.args or not _is_written(module, call.args[0]):
        return False
    return last_name(call.func) in ("from_pretrained", "SentenceTransformer", "CrossEncoder", "pipeline", "load", "load_model")


def _is_written(module: Module, node: ast.expr) -> bool:
    """Whether a text is written out: here.

    Or once at the top of the file under a name that nothing else sets.
    """
    if not isinstance(node, ast.Name):
        return text_of(node) is not None
    stored = [use for use in module.named.get(node.id, ()) if isinstance(use.ctx, ast.Store)]
    made = module.parents.get(stored[0]) if len(stored) == 1 else None
    is_at_top = isinstance(made, ast.Assign) and isinstance(module.parents.get(made), ast.Module) and text_of(made.value) is not None
    return is_at_top and not any(entry.arg == node.id for entry in module.of(ast.arg))


def _loop(module: Module, node: ast.AST) -> ast.AST | None:
    """A loop around a node, over examples: not over a few things that are written down, seeds or folds."""
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.If, ast.Try)):
            return None  # another program's turn, or not every one
        turn = parent if isinstance(parent, ast.For) else parent.generators[0] if isinstance(parent, COMPREHENSIONS) else None
        if turn is None or (isinstance(parent, ast.For) and _is_in(module, node, parent.iter)):
            continue
        names = {entry.id.lower() for entry in ast.walk(turn.target) if isinstance(entry, ast.Name)}
        if isinstance(turn.iter, (ast.List, ast.Tuple)) or any(
            word in name
            for name in names
            for word in ("seed", "fold", "run", "trial", "model", "name", "config", "method", "epoch", "step")
        ):
            return None
        if isinstance(turn.iter, ast.Call) and last_name(turn.iter.func) == "range" and not isinstance(parent, ast.For):
            return None
        return parent
    return None


def _is_in(module: Module, node: ast.AST, around: ast.AST) -> bool:
    return node is around or any(parent is around for parent in ancestors(module, node))


def _is_cached(function: Function) -> bool:
    words = {last_name(inner) for entry in function.decorator_list for inner in ast.walk(entry)}
    return bool(words & CACHES) or any(isinstance(node, ast.Global) for node in ast.walk(function))


def _is_plain(module: Module, call: ast.Call, function: Function) -> bool:
    """Whether a function loads whenever it is called: not under a condition."""
    return not any(isinstance(parent, (ast.If, ast.Try)) and _is_in(module, parent, function) for parent in ancestors(module, call))


PROGRAM = """import functools

import numpy as np
from sentence_transformers import SentenceTransformer

texts = [line.strip() for line in open("texts.txt")]
{first}


{decorated}def embed(text):
    {inside}
    return model.encode(text)


{use}
"""
LOAD = 'model = SentenceTransformer("all-MiniLM-L6-v2")'
HERE = "  # <- here"


def _program(
    inside: str = "print(text)", first: str = LOAD, use: str = "print(np.stack([embed(text) for text in texts]))", decorated: str = ""
) -> str:
    return PROGRAM.format(inside=inside, first=first, use=use, decorated=decorated)


BAD = [
    program(_program(LOAD + HERE, "print(len(texts))")),
    program(_program(use=f"for text in texts:\n    {LOAD}{HERE}\n    print(model.encode(text))")),
    program(_program(LOAD + HERE, "print(len(texts))", "for text in texts:\n    print(embed(text))")),
]
GOOD = [
    program(_program()),
    program(_program(LOAD, "print(1)", 'print(embed("one"))')),
    program(_program(LOAD, "print(1)", decorated="@functools.cache\n")),
    program(_program(use=f'for seed in range(3):\n    {LOAD}\n    print(model.encode("a"))')),
    program(_program(LOAD, "print(1)", 'for text in texts:\n    if text == "last":\n        print(embed(text))')),
    program(_program(use='for name in texts:\n    print(SentenceTransformer(name).encode("a"))')),
]
