"""Where data are split in what a program learns from and what it is scored on."""

from __future__ import annotations

from dataclasses import dataclass

from gonogo.analysis.dataflow.blocks import Called, Event, Happening
from gonogo.analysis.dataflow.definitions import Class
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value
from gonogo.analysis.rows.learners import SEARCHES, Fit, Learns, fits
from gonogo.analysis.rows.parts import Held, Role, is_split_call, parts_in
from gonogo.analysis.rows.subsamples import is_subsample
from gonogo.analysis.training.order import Order

# What data end up in: what is fitted, applied, scored, or made into tensors and loaders.
_USES = (
    "fit", "fit_transform", "fit_resample", "predict", "predict_proba", "score", "evaluate", "DataLoader", "TensorDataset", "tensor",
    "from_numpy", "FloatTensor", "as_tensor", "train", "transform", "DMatrix", "Tensor", "DeviceDataLoader", "Subset", "from_tensor_slices",
    "convert_to_tensor", "decision_function",
)  # fmt: skip
INNER = frozenset(
    {"cross_val_score", "cross_validate", "cross_val_predict", "learning_curve", "validation_curve", "permutation_test_score"}
)


@dataclass(frozen=True)
class Cut:
    """A split of some data.

    Attributes:
        data: what is split.
        split: the call or value that splits it.
        at: its place in the order of the program, None where it is no call of it.
        sure: it surely parts what is learned from and what is scored on.
        learner: what a cross-validation fits to each part by itself.
    """

    data: Value
    split: Value
    at: int | None
    sure: bool
    learner: Value | None = None

    @property
    def is_of_targets(self) -> bool:
        """Whether it is the targets that are split, beside their features."""
        call = self.split
        return (
            isinstance(call, Call) and call.short == "train_test_split" and len(call.arguments) > 1 and self.data is not call.arguments[0]
        )


def all_fits(program: Program) -> list[Fit]:
    """Everything that a program fits, in its order."""
    order = program.known(Order)
    found = list(program.gather(fits))
    return sorted(found, key=lambda fit: order.place(fit.event))


def model_fits(program: Program) -> list[Fit]:
    """The models that a program fits."""
    return [fit for fit in program.known(all_fits) if fit.learns is Learns.MODEL]


def uses(program: Program) -> list[tuple[Happening, Value]]:
    """Where data are learned from, scored on or put into loaders: the event, and what it is given."""
    found: list[tuple[Happening, Value]] = []
    for event in program.calls(*_USES):
        found += [(event, given) for given in (*event.call.arguments[:2], *event.call.keywords.values())]
    for called in program.all(Called):
        if isinstance(called.call.callee, Class):
            found += [(called, given) for given in called.call.given()]
    return found


def cuts(program: Program) -> list[Cut]:
    """Every split of a program whose parts, or one of them, are used."""
    parts, order = parts_in(program), program.known(Order)
    found: dict[tuple[Value, Value], Cut] = {}
    for _, value in program.known(uses):
        for part, data in parts.held(value).cuts:
            found.setdefault((part.split, data), Cut(data, part.split, order.made(part.split), part.sure))
    for event in program.calls("train_test_split", "random_split"):
        if is_split_call(event.call) and not is_subsample(event.call):
            for data in event.call.arguments:
                found.setdefault((event.call, data), Cut(data, event.call, order.place(event), True))
    for event in program.calls(*INNER):
        inner = event.call.argument(1, "X")
        if inner is not None:
            found.setdefault((event.call, inner), Cut(inner, event.call, order.place(event), True, event.call.argument(0, "estimator")))
    for fit in program.known(model_fits):
        if fit.name in SEARCHES:
            found.setdefault((fit.event.call, fit.data), Cut(fit.data, fit.event.call, order.place(fit.event), False, fit.learner))
    return list(found.values())


def scored_on(program: Program) -> list[tuple[Event, Held]]:
    """Where models are applied to held-out rows, or scored on them."""
    parts = parts_in(program)
    found = []
    for event in program.calls("predict", "predict_proba", "score", "evaluate", "decision_function"):
        if event.call.receiver is None:
            continue
        data = event.call.argument(0, "X", "x", "data")
        if data is not None:
            held = parts.held(data)
            if Role.TEST in held.roles():
                found.append((event, held))
    return found
