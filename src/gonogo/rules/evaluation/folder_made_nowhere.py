"""EVA140."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, last_name, text_of
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.evaluation.folder_never_made import written

# Folders that libraries make by themselves, and what makes the folders of paths that it is given.
_MADE = frozenset({"wandb", "runs", "outputs", "multirun", "logs", "lightning_logs", "tmp", "cache", ".cache", "tensorboard", "mlruns"})
_MAKERS = re.compile(
    r"lightning|ModelCheckpoint|SummaryWriter|output_dir|ensure|copytree|unpack_archive|extractall|fsspec|TemporaryDirectory"
)
_PROGRAM = re.compile(r"(?<![.\w])mkdir\b(?!\()")
_NAME = re.compile(r"^[A-Za-z][\w-]{2,}$")


@rule("EVA140", "folder-made-nowhere", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def folder_made_nowhere(modules: dict[str, Module], experiment: Experiment) -> Iterator[Violation]:
    """A file is saved into a folder of its own within the results, and that folder is never made.

    What it does:
        Looks at files that are written to a path whose folder is named in the code (`run_dir / "checkpoints" / f"{epoch}.pt"`), below one
        that is not. Speaks where this name stands nowhere else in the experiment, in no other text of its code, its configs or its
        documents, so that whatever makes folders makes other ones. Silent where code starts `mkdir` as
        a program, where a library makes folders of its own, and where a condition or an `except` asks whether the folder is there.

    Why it matters:
        `torch.save`, `open` and the like make no folders: training ends with an error at the first of these files, perhaps hours later.

    Instead:
        Make the folder at the start: `(run_dir / "checkpoints").mkdir(parents=True, exist_ok=True)`.
    """
    whole = [module for module in modules.values() if module.tree is not None]
    if any(_MAKERS.search(module.text) or _PROGRAM.search(module.text) for module in whole):
        return
    others = [entry.text or "" for path, entry in experiment.files.items() if not path.endswith(".py")]
    for module in whole:
        for call in module.of(ast.Call):
            path = written(module, call)
            name = _folder(path) if path is not None else ""
            if name and not _is_asked_for(module, call) and not _is_known(name, whole, [*others, *experiment.files]):
                yield Violation(
                    module.location(call),
                    f"the folder `{name}` is made nowhere: writing into it ends with an error",
                    "make the folder at the start, with `mkdir(parents=True, exist_ok=True)`",
                )
                return


def _folder(path: ast.expr) -> str:
    """The name of the folder that a file is written into, below a folder that the code computes."""
    if isinstance(path, ast.Call) and last_name(path.func) in ("str", "Path") and len(path.args) == 1:
        return _folder(path.args[0])
    if isinstance(path, ast.Call) and last_name(path.func) == "join" and len(path.args) > 2:
        return _plain(text_of(path.args[-2])) if text_of(path.args[0]) is None else ""
    if isinstance(path, ast.BinOp) and isinstance(path.op, ast.Div) and isinstance(path.left, ast.BinOp):
        return _plain(text_of(path.left.right)) if isinstance(path.left.op, ast.Div) and text_of(path.left.left) is None else ""
    if isinstance(path, ast.JoinedStr) and isinstance(path.values[0], ast.FormattedValue) and len(path.values) > 1:
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in path.values[1:])
        parts = text.split("/")
        return _plain(parts[-2]) if len(parts) > 2 and not parts[0] else ""
    return ""


def _plain(name: str | None) -> str:
    return name if name is not None and _NAME.match(name) and name not in _MADE else ""


def _is_asked_for(module: Module, call: ast.Call) -> bool:
    """Whether something around a call asks what is there, or catches what is raised."""
    for parent in ancestors(module, call):
        if isinstance(parent, ast.Try) or (isinstance(parent, ast.If) and re.search(r"exist|is_dir|isdir", ast.unparse(parent.test))):
            return True
    return False


def _is_known(name: str, modules: Iterable[Module], others: Iterable[str]) -> bool:
    """Whether a name of a folder stands anywhere but in paths that are written to."""
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    if any(word.search(text) for text in others):
        return True
    for module in modules:
        inside = {id(node) for call in module.of(ast.Call) if (path := written(module, call)) is not None for node in ast.walk(path)}
        for node in module.of(ast.Constant):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside and word.search(node.value):
                return True
    return False


_SAVED = '    torch.save(model.state_dict(), run_dir / "model.pt")\n'
_EPOCH = '        train_loss = train_epoch(model, loaders["train"], criterion, optimizer)\n'
_SAVE = "            torch.save(model.state_dict(), {})"
_IN_PATH = 'Path(cfg.results_dir) / cfg.run.run_id / "checkpoints" / f"{epoch}.pt"'
HERE = "  # <- here"


def _late(path: str, marker: str = "", before: str = "") -> Tree:
    return Tree({"src/train.py": Edit(_EPOCH, f"{_EPOCH}        if epoch % 5 == 0:\n{before}{_SAVE.format(path)}{marker}\n")})


def _at_the_end(lines: str) -> Tree:
    return Tree({"src/train.py": Edit(_SAVED, _SAVED + lines)})


_OPENED = '    with open({}, "w") as file:{}\n        file.write("done")\n'
BAD = [
    _late(_IN_PATH, HERE),
    _late('f"{cfg.results_dir}/{cfg.run.run_id}/checkpoints/{epoch}.pt"', HERE),
    _at_the_end(_OPENED.format('run_dir / "reports" / "end.txt"', HERE)),
    _at_the_end(f'    (run_dir / "reports" / "end.txt").write_text("done"){HERE}\n'),
    _at_the_end(_OPENED.format("f'{run_dir}/reports/end.txt'", HERE)),
    _at_the_end(_OPENED.format("str(Path(cfg.results_dir) / 'reports' / cfg.run.run_id)", HERE)),
]
GOOD = [
    _late(_IN_PATH, before='            (Path(cfg.results_dir) / cfg.run.run_id / "checkpoints").mkdir(exist_ok=True)\n'),
    _at_the_end(
        '    path = run_dir / "reports" / "end.txt"\n    path.parent.mkdir()\n' + _OPENED.format('run_dir / "reports" / "end.txt"', "")
    ),
    _at_the_end('    for name in ["reports"]:\n        (run_dir / name).mkdir()\n' + _OPENED.format('run_dir / "reports" / "end.txt"', "")),
    _at_the_end(
        "    if (run_dir / 'reports').exists():\n    " + _OPENED.format('run_dir / "reports" / "end.txt"', "").replace("\n ", "\n     ")
    ),
    _at_the_end(_OPENED.format('run_dir / "end.txt"', "")),
    _at_the_end(_OPENED.format('Path(cfg.results_dir) / cfg.run.run_id / "end.txt"', "")),
]
