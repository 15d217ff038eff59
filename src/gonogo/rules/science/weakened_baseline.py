"""SCI150."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.weakenings import Weakening, weakenings
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.science.handicapped_baseline import leaves, only_baselines

# By kind: the words of run ids, configs, functions and comments by which it is the method itself, and of the keys that may set it.
_METHODS = {
    kind: re.compile(words, re.IGNORECASE)
    for kind, words in {
        "dropout": r"drop|bayes|uncertain|regulari[sz]|(?<![a-z])mc(?![a-z])",
        "noise": r"nois|gauss|random|perturb|stoch|jitter|corrupt|[sz]ed[-_ ]?smooth|privat|privacy|"
        r"langevin|sgld|diffus|gumbel|sampl|augment|robust",
        "rows": r"few|shot|subset|fraction|low[-_ ]?(?:data|resource)|coreset|select|prun|distill|percent|scarce|semi|label(?:l)?ed|budget|"
        r"limited|active|curriculum|warm|half|split|fold|ensemble|bagging|federat|client|scaling",
        "clipping": r"clip|privat|privacy|bounded|norm[-_ ]?constrain",
    }.items()
}


@rule("SCI150", "weakened-baseline", criterion=4, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("method",))
def weakened_baseline(traces: list[Trace], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The code leaves the baseline alone with less than the other methods have.

    What it does:
        Looks at places that drop nearly all units of a network, add noise to what it puts out, take a part of the rows that are learned
        from, or clip gradients to next to nothing, all by literals; and at which runs come there by their configs. Speaks where these are
        called comparative or baseline, and no other run comes there. Silent where the other rows are used too, where the run id, a text
        of its config, a comment near by or the name of a function says that this is the method, where configs have different settings
        of it, and where a network, a policy or a gate draws noise as it is trained.

    Why it matters:
        The difference in the table is that of what was taken from the baseline.

    Instead:
        Give both methods the same data and the same network, and their settings in their run configs.
    """
    training = training_modules(modules, contract)
    places = (place for module in training for place in weakenings(module))
    for place, weak, others in only_baselines(traces, places):
        if not _is_said(place, weak) and not _differs(place, weak, others):
            yield Violation(
                place.module.location(place.node),
                f"only the baseline {place.what}: no config says so, and the other methods do not",
                "treat all methods alike, or say in the run config what this one is about",
                runs=tuple(trace.run_id for trace in weak),
            )


def _is_said(place: Weakening, weak: list[Trace]) -> bool:
    """Whether a run says that this is what it is about, or the code near by does."""
    method = _METHODS[place.kind]
    texts = [value for trace in weak for _, value in leaves(trace.config) if isinstance(value, str)]
    if any(method.search(text) for text in (*texts, *(trace.run_id for trace in weak))):
        return True
    first = place.node.lineno
    if any(method.search(line.partition("#")[2]) for line in place.module.lines[max(first - 4, 0) : first + 1]):
        return True
    named = (parent for parent in ancestors(place.module, place.node) if isinstance(parent, (ast.FunctionDef, ast.ClassDef)))
    return any(method.search(parent.name) for parent in named)


def _differs(place: Weakening, weak: list[Trace], others: list[Trace]) -> bool:
    """Whether configs have different settings of what is made weaker."""
    pattern = _METHODS[place.kind]
    found = [{path: value for path, value in leaves(trace.config) if pattern.search(path[-1])} for trace in (*weak, *others)]
    return any(entry != found[0] for entry in found)


_OPTIMIZED = "    optimizer = build_optimizer(cfg.run.training.optimizer, model, optimizer_settings(cfg, found))\n"
_TESTED = "    logits, labels = predict(model, test_loader)\n"
_EPOCHS = "    for epoch in range(1, epochs + 1):\n"
_HEAD = "@torch.no_grad()\ndef predict("
HERE = "  # <- here"
PLAIN, OURS = "cross-entropy", "label-smoothing"


def _when(method: str, line: str, after: str = _OPTIMIZED, test: str = "cfg.run.method == {!r}", helper: str = "") -> Tree:
    edits = [Edit(after, f"{after}    if {test.format(method)}:\n        {line}\n")]
    return Tree({"src/train.py": (*edits, *([Edit(_HEAD, f"{helper}\n\n\n{_HEAD}")] if helper else []))})


def _fewer(method: str, rows: str, share: str = "len(images) // 10", marker: str = "") -> Tree:
    lines = f"    images = loaders['train'].dataset\n    if cfg.run.method == '{method}':\n        {rows} = {{}}{marker}\n"
    return Tree({"src/train.py": Edit(_EPOCHS, lines.format(share) + f"    print(len(images))\n{_EPOCHS}")})


_WEAKER = "def weaken(model):\n    model.dropout.p = 0.97{}"
BAD = [
    _when(PLAIN, f"model.dropout.p = 0.98{HERE}"),
    _when(OURS, f"model.dropout = nn.Dropout(0.9){HERE}", test="cfg.run.method != {!r}"),
    _when(PLAIN, f"model.dropout = nn.Dropout(p=0.95){HERE}", test="cfg.run.run_id.startswith('comparative')"),
    _when(PLAIN, "weaken(model)", helper=_WEAKER.format(HERE)),
    Tree(
        {"src/train.py": Edit(_OPTIMIZED, f"{_OPTIMIZED}    model.dropout.p = 0.99 if cfg.run.method == 'cross-entropy' else 0.1{HERE}\n")}
    ),
    _when(PLAIN, f"logits = logits + 3.0 * torch.randn(logits.shape){HERE}", _TESTED),
    _when(PLAIN, f"logits += torch.randn_like(logits) * 2{HERE}", _TESTED),
    _when(PLAIN, f"nn.utils.clip_grad_norm_(model.parameters(), 1e-9){HERE}"),
    _fewer(PLAIN, "images", "torch.utils.data.Subset(images, range(len(images) // 10))", HERE),
    _fewer(PLAIN, "images", "images[: int(0.1 * len(images))]", HERE),
    _fewer(PLAIN, "images", "torch.utils.data.Subset(images, range(max(1, len(images) * 2 // 10)))", HERE),
]
GOOD = [
    _when(OURS, "model.dropout.p = 0.98"),
    _when(PLAIN, "model.dropout.p = 0.3"),
    _when(PLAIN, "model.dropout.p = 0.98  # as in the paper on Monte Carlo dropout"),
    _when(
        PLAIN,
        "perturbed(model)",
        helper="def perturbed_dropout(model):\n    model.dropout.p = 0.98\n\n\ndef perturbed(model):\n    perturbed_dropout(model)",
    ),
    Tree({"src/train.py": Edit(_OPTIMIZED, f"{_OPTIMIZED}    model.dropout.p = 0.98\n")}),
    _when(OURS, "logits = logits + 3.0 * torch.randn(logits.shape)", _TESTED),
    _when(PLAIN, "logits = logits + model.output.bias", _TESTED),
    _when(PLAIN, "nn.utils.clip_grad_norm_(model.parameters(), 1.0)"),
    _fewer(PLAIN, "images, others", "images[: len(images) // 2], images[len(images) // 2 :]"),
    _fewer(PLAIN, "images", "torch.utils.data.Subset(images, range(len(images) // 2)); print(range(len(images) // 2, len(images)))"),
    _fewer(OURS, "images", "torch.utils.data.Subset(images, range(len(images) // 10))"),
    _fewer(PLAIN, "images", "torch.utils.data.Subset(images, range(len(images) * 9 // 10))"),
    _when("trial", "model.dropout.p = 0.98", test="cfg.trial_mode and '{}'"),
]
