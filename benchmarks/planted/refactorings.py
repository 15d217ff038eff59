"""Refactorings: the same experiment written in another way, after which the gate must find nothing."""

from __future__ import annotations

import ast
import re

from benchmarks.planted.trees import Draft, functions, refactors

CODE = "src/*.py"
TRAINING = "src/train.py|src/model.py|src/preprocess.py"


def _replace_names(text: str, nodes: list[ast.Name], new: str) -> str:
    lines = [line.encode() for line in text.split("\n")]
    for node in sorted(nodes, key=lambda entry: (entry.lineno, entry.col_offset), reverse=True):
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = line[: node.col_offset] + new.encode() + line[node.col_offset + len(node.id) :]
    return "\n".join(line.decode() for line in lines)


@refactors
def rename_local_variable(draft: Draft) -> None:
    """Give a local variable another name; one that stands in a formatted text is left alone, its place is not told."""
    path = draft.rng.choice(draft.paths(CODE))
    tree = ast.parse(draft.files[path])
    function = draft.choose([node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)])
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    taken = {node.id for node in names} | {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    formatted = {
        inner.id
        for text in ast.walk(function)
        if isinstance(text, ast.JoinedStr)
        for inner in ast.walk(text)
        if isinstance(inner, ast.Name)
    }
    outer = {name for node in ast.walk(function) if isinstance(node, (ast.Global, ast.Nonlocal)) for name in node.names}
    parameters = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    candidates = sorted(stored - formatted - outer - parameters - {"_"})
    draft.need(candidates)
    old = draft.rng.choice(candidates)
    new = f"{old}_{draft.rng.choice(['value', 'here', 'now'])}"
    draft.need(new not in taken)
    draft.files[path] = _replace_names(draft.files[path], [node for node in names if node.id == old], new)


@refactors
def extract_function(draft: Draft) -> None:
    """Move the making of the folder of results into a function of its own."""
    draft.change(
        "src/train.py",
        r"^    run_dir = (Path\(cfg\.results_dir\) / cfg\.(?:run\.)?run_id)\n    run_dir\.mkdir\(.*\)$",
        r"    run_dir = prepare_folder(cfg)",
    )
    whole = re.search(r"Path\(cfg\.results_dir\) / cfg\.(?:run\.)?run_id", draft.golden.files["src/train.py"])
    assert whole is not None
    helper = f"def prepare_folder(cfg):\n    folder = {whole[0]}\n    folder.mkdir(parents=True, exist_ok=True)\n    return folder\n\n\n"
    draft.change("src/train.py", r"^(@hydra\.main\()", lambda match: helper + match[1])


@refactors
def extract_search_settings(draft: Draft) -> None:
    """Make the study in a function that is given the section of the search."""
    owner = r"((?:self\.)?cfg(?:\.run)?\.optuna)"
    match = re.search(rf"optuna\.create_study\(direction={owner}\.direction, sampler=", draft.files["src/train.py"])
    draft.need(match)
    assert match is not None
    draft.change("src/train.py", r"optuna\.create_study\(direction=(.*)\.direction, sampler=(.*)\)$", r"new_study(\1, \2)")
    helper = "def new_study(search_cfg, sampler):\n    return optuna.create_study(direction=search_cfg.direction, sampler=sampler)\n\n\n"
    draft.change("src/train.py", r"^(@hydra\.main\()", lambda found: helper + found[1])


@refactors
def reorder_definitions(draft: Draft) -> None:
    """Move a function to the end of its module, if nothing on the top level needs it before."""
    path = draft.rng.choice(draft.paths(CODE))
    text = draft.files[path]
    tree = ast.parse(text)
    early = {
        node.id
        for entry in tree.body
        if not isinstance(entry, (ast.FunctionDef, ast.If))
        for node in ast.walk(entry)
        if isinstance(node, ast.Name)
    }
    early |= {
        node.id
        for entry in tree.body
        if isinstance(entry, ast.FunctionDef)
        for part in (*entry.decorator_list, *entry.args.defaults)
        for node in ast.walk(part)
        if isinstance(node, ast.Name)
    }
    function = draft.choose([entry for entry in functions(text) if not entry.decorator_list and entry.name not in early])
    assert isinstance(function, ast.FunctionDef)
    lines = text.split("\n")
    moved = lines[function.lineno - 1 : function.end_lineno]
    del lines[function.lineno - 1 : function.end_lineno]
    rest = re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines))
    guard = '\n\nif __name__ == "__main__":'
    text = "\n".join(moved)
    head, found, tail = rest.partition(guard)
    draft.files[path] = f"{head.rstrip()}\n\n\n{text}\n{guard}{tail}" if found else f"{rest.rstrip()}\n\n\n{text}\n"
    draft.need(draft.files[path] != draft.golden.files[path])


@refactors
def alias_config(draft: Draft) -> None:
    """Give a section of the config a short name at the start of a function."""
    path = "src/train.py"
    candidates = []
    for function in functions(draft.files[path]):
        source = ast.get_source_segment(draft.files[path], function) or ""
        for section in ("cfg.run", "cfg.run.training", "cfg.training", "cfg.wandb"):
            reads = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == section]
            written = "cfg = " in source or "cfg[key]" in source or "flatten(cfg)" in source
            if len(reads) > 1 and "cfg" in [entry.arg for entry in function.args.args] and not written and f"{{{section}" not in source:
                candidates.append((function, section))
    draft.need(candidates)
    function, section = draft.rng.choice(candidates)
    first = function.body[1] if ast.get_docstring(function) else function.body[0]
    lines = draft.files[path].split("\n")
    for number in range(first.lineno - 1, function.end_lineno or 0):
        lines[number] = re.sub(rf"(?<![\w.]){re.escape(section)}(?=\.)", "chosen", lines[number])
    lines.insert(first.lineno - 1, f"    chosen = {section}")
    draft.files[path] = "\n".join(lines)


@refactors
def read_by_item(draft: Draft) -> None:
    """Read a section as an item instead of an attribute."""
    draft.change(TRAINING, r"(?<![\w.{])(cfg(?:\.run)?)\.(training|model|dataset)\b(?![^\n]*f\")", r'\1["\2"]')


@refactors
def rename_key(draft: Draft) -> None:
    """Give a key of the run configs another name, in the configs and in the code."""
    text = draft.text(CODE)
    keys = [
        key
        for key in sorted(set(re.findall(r"^  (\w+): \S", draft.files[draft.run_file()], re.MULTILINE)))
        if key not in ("name", "enabled", "metric", "direction", "checkpoint", "root", "objective", "cache_dir")
        # Every mention of the word in the code is a read of this key.
        and len(re.findall(rf"\b{key}\b", text)) == len(re.findall(rf"\.{key}\b(?! = |\()", text)) > 0
        and len(re.findall(rf"\b{key}\b", draft.files[draft.run_file()])) == 1
    ]
    draft.need(keys)
    key = draft.rng.choice(keys)
    draft.change(CODE, rf"\.{key}\b", f".chosen_{key}", every=True)
    draft.change("config/run/*", rf"^  {key}:", f"  chosen_{key}:", every=True)


@refactors
def move_key(draft: Draft) -> None:
    """Move the seed from the section of the training to one of its own."""
    text = draft.text(CODE)
    reads = r"\b(cfg(?:\.run)?)\.training\.seed\b"
    draft.need(re.search(reads, text) and len(re.findall(r"\.seed\b", text)) == len(re.findall(reads, text)))
    draft.change(CODE, reads, r"\1.reproduction.seed", every=True)
    draft.change("config/run/*", r"^  seed: (\d+)\n", "", every=True)
    lifted = 'for key in ["run_id", "method", "model", "dataset", "training", "optuna"]'
    if lifted in draft.text(CODE):
        draft.change(CODE, re.escape(lifted), lifted.replace('"optuna"', '"optuna", "reproduction"'))
    draft.change("config/run/*", r"^optuna:$", "reproduction:\n  seed: 12\n\noptuna:", every=True)


@refactors
def written_anew(draft: Draft) -> None:
    """Print a module from its syntax tree: no comments, other quotes, other line breaks."""
    path = draft.rng.choice(draft.paths(CODE))
    draft.files[path] = ast.unparse(ast.parse(draft.files[path])) + "\n"


@refactors
def yaml_in_flow_style(draft: Draft) -> None:
    """Write a section of every run config on one line."""

    def flow(match: re.Match[str]) -> str:
        entries = [line.strip() for line in match[2].splitlines() if not line.strip().startswith("#")]
        return f"{match[1]}: {{{', '.join(entries)}}}\n"

    section = draft.rng.choice(["training", "model"])
    draft.change("config/run/*", rf"^({section}):\n((?:  \w+: \S+\n)+)(?=\n|\w)", flow, every=True)


@refactors
def keywords_for_positionals(draft: Draft) -> None:
    """Call `fit` of the project with keywords where its parameters are known."""
    path = "src/train.py"
    function = next((entry for entry in functions(draft.files[path]) if entry.name == "fit"), None)
    draft.need(function)
    assert function is not None
    names = [entry.arg for entry in function.args.args]
    calls = [
        node
        for node in ast.walk(ast.parse(draft.files[path]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "fit" and node.lineno == node.end_lineno
    ]
    call = draft.choose(list(calls))
    assert isinstance(call, ast.Call)
    given = [f"{name}={ast.unparse(value)}" for name, value in zip(names, call.args, strict=False)]
    draft.splice(path, call, f"fit({', '.join([*given, *map(ast.unparse, call.keywords)])})")
