"""ENV107."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.libraries.misuses import Misuse, misuses
from gonogo.analysis.libraries.objects import Objects
from gonogo.analysis.libraries.table import library_table
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.analysis.project.versions import locked_versions, required
from gonogo.analysis.python.absence import provides_for_absence
from gonogo.analysis.python.handlers import handler_of
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Certainty, Change, Fix, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

CAUGHT = "here, too, where an `except` hides it"


@rule(
    "ENV107",
    "library-misused",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    settles=("signature", "crash", "undefined-name"),
)
def library_misused(
    programs: list[Program],
    library_objects: Objects,
    symbols: Symbols,
    pyproject: Pyproject | None,
    experiment: Experiment,
    installed: dict[str, str],
) -> Iterator[Violation]:
    """A library object is asked for what it lacks, or a library is called with wrong arguments.

    What it does:
        Follows objects of W&B, Optuna, OmegaConf and scikit-learn from what made them to their uses, through assignments, attributes,
        parameters and `with`, and looks up attributes, methods and arguments in a table of what several versions of these libraries have;
        of PyTorch, the arguments of classes and functions, and the attributes of optimizers, schedulers, loaders and losses. Also finds
        results of functions that return None (`OmegaConf.set_struct`, `list.sort`) where a value is needed. The versions are those of the
        caller's environment (`--python`), of the lock file, or that the requirements allow.
        It is a warning where the experiment gets a version beyond the table, or where only an annotation says what an object is.

    Why it matters:
        The line raises `AttributeError` or `TypeError` when it is reached, often in the full run only: a trial skips tracking and search.

    Instead:
        Use a name that is there, and the arguments that the function takes.
    """
    locked: dict[str, str] | None = None
    caught: dict[str, list[Misuse]] = {}
    reported: list[tuple[Misuse, Certainty]] = []
    for found in misuses(programs, library_objects):
        if _is_provided_for(found, symbols):
            caught.setdefault(found.message, []).append(found)
            continue
        locked = {**locked_versions(experiment), **installed} if locked is None else locked
        settled = _settled(found, required(pyproject, found.distribution), locked.get(found.distribution))
        if settled is None:
            continue
        sure = found.sure and settled and handler_of(found.module, found.node) is None
        reported.append((found, Certainty.DERIVED if sure else Certainty.LIKELY))
    for found, certainty in reported:
        also = [other for other in caught.get(found.message, ()) if not _has_own_name(other, symbols)]
        related = tuple(Related(location=other.module.location(other.node), label=CAUGHT) for other in also)
        yield Violation(
            found.module.location(found.node), found.message, found.action, related, certainty=certainty, fix=_fix((found, *also))
        )


def _fix(found: Iterable[Misuse]) -> Fix | None:
    """Read the attribute that stands in the place of a method without arguments, in all places."""
    changes = [change for each in found if (change := _change(each)) is not None]
    return Fix(what=f"read `{changes[0].text[1:]}`", changes=tuple(changes), is_safe=True) if changes else None


def _change(found: Misuse) -> Change | None:
    node, call = found.node, found.module.parents.get(found.node)
    if not found.instead or not isinstance(node, ast.Attribute) or not isinstance(call, ast.Call):
        return None
    if call.func is not node or call.args or call.keywords:
        return None
    owner, whole = found.module.location(node.value), found.module.location(call)
    place = whole.model_copy(update={"line": owner.end_line, "column": owner.end_column})
    return Change(location=place, text=f".{found.instead}")


def _settled(found: Misuse, requirements: list[str], locked: str | None) -> bool | None:
    """Return whether the experiment surely gets a version in which the use raises an error.

    None where it gets, or may well have, one in which it does not.

    Where no lock file says otherwise, the documented commands of a run install the newest version.
    """
    if not found.distribution:
        return True
    possible, covered = library_table().possible(found.distribution, requirements, locked)
    if not possible & ~found.versions:
        return covered
    newest = 1 << (possible.bit_length() - 1)
    if locked is not None or not found.versions & newest:
        return None
    return covered


def _is_provided_for(found: Misuse, symbols: Symbols) -> bool:
    """Whether the code asks before, catches what is raised, or gives objects such an attribute itself."""
    return _has_own_name(found, symbols) or provides_for_absence(found.module, found.node)


def _has_own_name(found: Misuse, symbols: Symbols) -> bool:
    return getattr(found.node, "attr", "") in symbols.stored_attributes


_FINISH = "    run.finish()"
_LOGS = "        if log_to_wandb:\n"


def _late(line: str, marker: str = "  # <- here") -> Tree:
    """A name that is asked for in a late epoch alone."""
    return Tree({"src/train.py": Edit(_LOGS, f"        if epoch > 10:\n            {line}{marker}\n{_LOGS}")})


_LOADED = '_, scored = loaders["train"], DataLoader(loaders["train"].dataset, batch_size=2)'
_LOST = "loss = nn.CrossEntropyLoss()(val_logits, val_labels)"
BAD = [
    Tree({"src/train.py": Edit(_FINISH, "    print(run.get_url())  # <- here\n    run.finish()")}),
    Tree({"src/train.py": Edit(_FINISH, "    wandb.run.sumary['done'] = True  # <- here\n    run.finish()")}),
    Tree(
        {
            "src/model.py": (
                Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n"),
                Edit('        lr=settings["learning_rate"],\n', '        learning_rate=settings["learning_rate"],\n'),
            )
        }
    ),
    Tree(
        {
            "src/train.py": Edit(
                _FINISH, "    frozen = OmegaConf.set_readonly(cfg, True)\n    print(frozen.run)  # <- here\n    run.finish()"
            )
        }
    ),
]
BAD += [
    _late('print(loaders["train"].num_batches)'),
    _late(f"{_LOADED}; print(scored.samples)"),
    _late("print(nn.functional.cross_entropy(val_logits, val_labels).values_list())"),
    _late(f"{_LOST}; print(loss.to_float())"),
    _late("print(optimizer.learning_rate)"),
]
GOOD = [
    _late('print(len(loaders["train"]), loaders["train"].batch_size, loaders["train"].dataset.tensors)', ""),
    _late('loaders["train"].num_batches = 3; print(loaders["train"].num_batches)', ""),
    _late('setattr(loaders["train"], "num_batches", 3); print(loaders["train"].num_batches)', ""),
    _late('print(getattr(loaders["train"], "num_batches", 0))', ""),
    _late(f"{_LOST}; print(loss.item(), loss.grad_fn, loss.cpu().numpy().shape, loss.T, loss.mT)", ""),
    _late("print(nn.functional.cross_entropy(val_logits, val_labels, reduction='none').topk(3).values)", ""),
    Tree({"src/train.py": Edit(_FINISH, "    print(run.get_url() if hasattr(run, 'get_url') else run.url)\n    run.finish()")}),
    Tree({"src/train.py": Edit(_FINISH, "    run.summary['done'] = True\n    print(run.id, run.url)\n    run.finish()")}),
    Tree({"src/train.py": Edit(_FINISH, "    OmegaConf.set_readonly(cfg, True)\n    print(cfg.run)\n    run.finish()")}),
]
