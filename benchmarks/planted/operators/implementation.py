"""Defects of the families IMP and STR."""

from __future__ import annotations

import ast

from benchmarks.planted.trees import Draft, functions, plants

CODE = "src/*.py"
TRAINING = "src/train.py|src/model.py|src/preprocess.py"


def _empty_body(draft: Draft, body: str, remark: str = "") -> None:
    path = draft.rng.choice(draft.paths(TRAINING))
    node = draft.choose([entry for entry in functions(draft.files[path]) if not entry.decorator_list and len(entry.body) > 2])
    assert isinstance(node, ast.FunctionDef)
    first = node.body[1] if ast.get_docstring(node) else node.body[0]
    lines = draft.files[path].split("\n")
    lines[first.lineno - 1 : node.end_lineno] = [f"    {body}{remark}"]
    lines[node.lineno - 1] += "§"
    draft.files[path] = "\n".join(lines)


@plants("IMP101")
def body_is_pass(draft: Draft) -> None:
    _empty_body(draft, "pass")


@plants("IMP101")
def body_raises(draft: Draft) -> None:
    _empty_body(draft, "raise NotImplementedError")


@plants("IMP101")
def body_is_dots(draft: Draft) -> None:
    _empty_body(draft, "...")


@plants("IMP102")
def todo_comment(draft: Draft) -> None:
    draft.change(TRAINING, r"^(    +)(return |for |loss = )", r"\1# TODO: implement the warm-up§\n\1\2")


@plants("IMP102")
def rest_omitted(draft: Draft) -> None:
    draft.change(CODE, r"^(    +)(return )", r"\1# ... rest of the code omitted for brevity§\n\1\2")


@plants("IMP102")
def simplified_docstring(draft: Draft) -> None:
    draft.change(TRAINING, r'^(    +"""[^"\n]+?)\."""$', r'\1 (simplified version)."""§')


@plants("IMP103")
def bracket_too_many(draft: Draft) -> None:
    draft.change(CODE, r"^(    +\w+ = [\w.]+\(.*\))$", r"\1)§")


@plants("IMP103")
def colon_forgotten(draft: Draft) -> None:
    draft.change(CODE, r"^(    +(?:if|for) .*):$", r"\1§")


@plants("IMP103")
def key_twice(draft: Draft) -> None:
    draft.change("config/run/*", r"^(  seed: \d+)$", r"\1\n  seed: 1§")


@plants("IMP103")
def version_without_quotes(draft: Draft) -> None:
    draft.change("pyproject.toml", r'^version = "0\.1\.0"$', "version = 0.1.0§")


def _loaded_locals(function: ast.FunctionDef) -> list[ast.AST]:
    """Reads of names that the function itself binds, outside of annotations and of texts with values."""
    stored = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    formatted = {inner for node in ast.walk(function) if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}
    return [
        node
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in stored and node not in formatted
    ]


@plants("IMP104")
def name_misspelt(draft: Draft) -> None:
    path = draft.rng.choice(draft.paths(CODE))
    node = draft.choose([entry for function in functions(draft.files[path]) for entry in _loaded_locals(function)])
    assert isinstance(node, ast.Name)
    draft.splice(path, node, f"{node.id}_value")
    lines = draft.files[path].split("\n")
    lines[node.lineno - 1] += "§"
    draft.files[path] = "\n".join(lines)


@plants("IMP104")
def import_forgotten(draft: Draft) -> None:
    draft.need("wandb.init(" in draft.files["src/train.py"])
    draft.change("src/train.py", r"^import wandb\n", "")
    draft.change("src/train.py", r"^(.*\bwandb\.\w+.*)$", r"\1§", every=True)


@plants("IMP105")
def imported_name_misspelt(draft: Draft) -> None:
    draft.change("src/main.py|src/train.py", r"^(from src\.\w+ import (?:\w+, )*)(\w+)$", r"\1\2_of§")


@plants("IMP105")
def module_that_is_not_there(draft: Draft) -> None:
    draft.change("src/train.py", r"^(from src\.model import .*)$", r"\1\nfrom src.utils import seed_everything§")


@plants("IMP105")
def without_the_package(draft: Draft) -> None:
    draft.change("src/train.py", r"^from src\.(model|preprocess) import (.*)$", r"from \1 import \2§")


def _local_calls(draft: Draft) -> list[tuple[str, ast.Call]]:
    """Calls of functions of the project with plain arguments, on one line."""
    defined = {
        node.name
        for path in draft.paths(CODE)
        for node in functions(draft.files[path])
        if not node.decorator_list and not node.args.vararg and not node.args.kwarg and not node.args.defaults
    }
    found = []
    for path in draft.paths(CODE):
        for node in ast.walk(ast.parse(draft.files[path])):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in defined and node.args:
                starred = any(isinstance(entry, ast.Starred) for entry in node.args) or any(entry.arg is None for entry in node.keywords)
                if not starred and node.lineno == node.end_lineno:
                    found.append((path, node))
    return found


def _rewrite_call(draft: Draft, extra: bool) -> None:
    calls = _local_calls(draft)
    draft.need(calls)
    path, call = draft.rng.choice(calls)
    assert isinstance(call.func, ast.Name)
    given = [ast.unparse(entry) for entry in call.args]
    keywords = [ast.unparse(entry) for entry in call.keywords]
    listed = [*given, "None", *keywords] if extra else [*given[:-1], *keywords]
    draft.splice(path, call, f"{call.func.id}({', '.join(listed)})")
    lines = draft.files[path].split("\n")
    lines[call.lineno - 1] += "§"
    draft.files[path] = "\n".join(lines)


@plants("IMP106")
def argument_too_many(draft: Draft) -> None:
    _rewrite_call(draft, extra=True)


@plants("IMP106")
def argument_too_few(draft: Draft) -> None:
    _rewrite_call(draft, extra=False)


@plants("IMP107")
def helper_never_called(draft: Draft) -> None:
    draft.change(
        "src/train.py",
        r'^if __name__ == "__main__":$',
        'def smoothed_curve(values):§\n    return sorted(values)\n\n\nif __name__ == "__main__":',
    )


@plants("IMP108")
def main_never_called(draft: Draft) -> None:
    path = draft.rng.choice(["src/main.py", "src/evaluate.py"])
    draft.change(path, r'\n\nif __name__ == "__main__":\n    main\(\)\n', "")
    draft.change(path, r"^(def main\(.*)$", r"\1§")


@plants("IMP108")
def cut_off(draft: Draft) -> None:
    draft.change("src/train.py|src/evaluate.py", r"^(    +\w+ = \w[\w.]*\()[^\n]*\n(?:.|\n)*\Z", r"\1§\n")


@plants("IMP109")
def encoding_that_python_lacks(draft: Draft) -> None:
    draft.change("src/train.py|src/evaluate.py", r"\A", "# -*- coding: nosuch -*-§\n")


@plants("IMP110")
def shown_in_another_order(draft: Draft) -> None:
    draft.change("src/train.py|src/evaluate.py", r"^(import hydra)$", "# only for \u202e the admin§\n\\1")


@plants("STR101")
def file_missing(draft: Draft) -> None:
    path = draft.rng.choice(["src/preprocess.py", "src/evaluate.py", "pyproject.toml"])
    del draft.files[path]
    draft.expect(path)


@plants("STR102")
def helper_file(draft: Draft) -> None:
    path = draft.rng.choice(["src/utils.py", "src/__init__.py", "scripts/download.py"])
    draft.files[path] = '"""Helpers."""\n'
    draft.expect(path)
