"""SCI147."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Call, Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import statement_of, text_of
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.loaded_sets import LOADERS, LoadedSets
from gonogo.execution.probe.gonogo_probe.standins.corpora import KNOWN
from gonogo.model.contract import Contract
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

# A number of its own for the test split, or any score of an answer.
SCORED = re.compile(r"test[_/ ]?(?:acc|f1|loss|score|metric|mcc|result|eval|corr)", re.IGNORECASE)
# A program that knows of such splits: it drops those rows, or writes a submission.
KNOWS = re.compile(
    r"(?:!=|==|>)[ \t]*-[ \t]*1\b|>=[ \t]*0\b|ignore_index|unlabel|no labels|submission|leaderboard|hidden[_ ]label", re.IGNORECASE
)


@rule("SCI147", "unlabelled-split", criterion=3, severity=Severity.WARNING, stage=Stage.COMPOSE)
def unlabelled_split(traces: list[Trace], modules: dict[str, Module], contract: Contract, symbols: Symbols) -> Iterator[Violation]:
    """A score is computed on a split whose labels are not given away.

    What it does:
        Follows each run to the data set of the Hugging Face hub that it loads. Speaks where that is one of those whose test split has no
        labels (GLUE but for MRPC, SuperGLUE, HellaSwag …), the code takes this split by name, and something is named after a score on
        it. Silent where what is asked may be no whole data set of the hub, where another data set is loaded as well, and where the
        code asks for such labels or writes a submission.

    Why it matters:
        Every label is -1: nothing is ever right, and metrics for two classes end in an error.

    Instead:
        Report on the validation split, and choose settings on a part of the training split.
    """
    training = training_modules(modules, contract)
    if not any(SCORED.search(module.text) for module in training) or any(KNOWS.search(module.text) for module in training):
        return
    sets = LoadedSets(symbols, modules)
    found: dict[tuple[Location, str], list[tuple[str, Location]]] = {}
    for trace in traces:
        loaded = {(shown, *hidden): call for call in trace.calls if call.name in LOADERS for shown, hidden in [_hidden(call)]}
        if len(loaded) != 1:
            continue
        ((shown, *hidden), call) = next(iter(loaded.items()))
        for place, split in _taken(training, sets, trace, call, frozenset(hidden)):
            found.setdefault((place, f"the `{split}` split of `{shown}`"), []).append(
                (trace.run_id, call.site.module.location(call.site.node))
            )
    for (place, what), concerned in found.items():
        yield Violation(
            place,
            f"{what} has no labels (all are -1, or empty): a score on it means nothing",
            "report on the validation split, and choose settings on a part of the training split",
            related=(Related(location=concerned[0][1], label="the data set"),),
            runs=tuple(dict.fromkeys(run for run, _ in concerned)),
        )


def _hidden(call: Call) -> tuple[str, tuple[str, ...]]:
    """The name of what is loaded, and its splits without labels; none where that is not known."""
    path, config = call.constant("path", 0), call.constant("name", 1)
    if call.argument("name", 1) is None or config is None:
        config = ""
    if not isinstance(path, str) or not isinstance(config, str) or call.open_keywords:
        return "", ()
    configs = next((configs for names, configs in KNOWN.items() if path in names.split()), {})
    chosen = configs.get(config) or (next(iter(configs.values())) if len(configs) == 1 else None)
    splits = chosen[1] if chosen is not None else {}
    return f"{path}/{config}".rstrip("/"), tuple(sorted(name for name, rows in splits.items() if rows < 0 and name.startswith("test")))


def _taken(training: list[Module], sets: LoadedSets, trace: Trace, call: Call, hidden: frozenset[str]) -> Iterator[tuple[Location, str]]:
    """Where a run takes such a split."""
    if call.argument("split", 4) is not None:
        name = call.constant("split", 4)
        base = re.match(r"\w+", name) if isinstance(name, str) else None
        if base is not None and base[0] in hidden:
            yield call.site.module.location(call.site.node), base[0]
        return
    for module in training:
        for node in module.of(ast.Subscript):
            split = text_of(node.slice)
            is_taken = split in hidden and isinstance(node.ctx, ast.Load) and id(statement_of(module, node)) in trace.executed
            if is_taken and sets.is_whole(module, node.value) and not _is_replaced(module, node):
                yield module.location(node), str(split)


def _is_replaced(module: Module, taken: ast.Subscript) -> bool:
    """Whether the program puts a split of its own under that name."""
    return any(not isinstance(node.ctx, ast.Load) and text_of(node.slice) == text_of(taken.slice) for node in module.of(ast.Subscript))


_IMPORT = Edit("import torch\n", "import torch\nfrom datasets import load_dataset\n")
_DIGITS = "    digits = load_digits()\n"


def _loads(*lines: str) -> Tree:
    return Tree({"src/preprocess.py": (_IMPORT, Edit(_DIGITS, "".join(f"    {line}\n" for line in lines) + _DIGITS))})


_RTE = 'raw = load_dataset("glue", "rte", cache_dir=cache_file.parent)'
BAD = [
    _loads(_RTE, 'print(raw["test"])  # <- here'),
    _loads(_RTE, 'print(raw.map(len)["test"])  # <- here'),
    _loads('raw = load_dataset("super_glue", name="boolq", split="test[:99]", cache_dir=cache_file.parent)  # <- here', "print(raw)"),
]
GOOD = [
    _loads(_RTE, 'print(raw["validation"])'),
    _loads(_RTE.replace("rte", "mrpc"), 'print(raw["test"])'),
    _loads(_RTE, 'print({"test": raw["validation"]}["test"])'),
    _loads(_RTE, 'print([row for row in raw["test"] if row["label"] != -1])'),
    _loads('raw = load_dataset("imdb", cache_dir=cache_file.parent)', 'print(raw["test"])'),
]
