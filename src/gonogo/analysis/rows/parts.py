"""Which part of the data a value holds: what is learned from, what is chosen by, what is scored on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Const,
    Display,
    Element,
    Item,
    Operation,
    Parameter,
    Ref,
    Span,
    Text,
    Value,
    constant,
    number,
    plain,
    text,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name, last_names, text_of
from gonogo.analysis.rows.flow import MAX_VALUES, assigned_name, name_of, row_inputs
from gonogo.analysis.rows.subsamples import is_subsample

LOADER = re.compile(r"(?:loader|dataset)$", re.IGNORECASE)


class Role(Enum):
    """What a part is for."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


@dataclass(frozen=True)
class Part:
    """A part of some data.

    Attributes:
        role: what it is for.
        split: the call that parted the data; the value itself where it was loaded as a part.
        sure: it follows from the code, not from names alone.
        at: the value that is the part.
    """

    role: Role
    split: Value
    sure: bool
    at: Value = field(compare=False)


@dataclass(frozen=True)
class Held:
    """What a value holds.

    Attributes:
        parts: the parts that its rows come from.
        whole: values all of whose rows it has, itself among them: what is before any split or selection.
        seen: every value that any of its rows come from.
        cuts: each part with the value that it was taken from.
    """

    parts: frozenset[Part]
    whole: frozenset[Value]
    seen: frozenset[Value]
    cuts: frozenset[tuple[Part, Value]]

    def roles(self) -> set[Role]:
        """What its parts are for."""
        return {part.role for part in self.parts}

    @property
    def held_out(self) -> bool:
        """Whether it surely has rows that were held out, and none that were not."""
        return bool(self.parts) and Role.TRAIN not in self.roles()

    @property
    def sure(self) -> bool:
        """Whether all its parts are sure."""
        return all(part.sure for part in self.parts)


_NOTHING = Held(frozenset(), frozenset(), frozenset(), frozenset())
TRAIN = re.compile(
    r"(?:^|_|\b)(?:x|y|df|ds|data|dataset|idx|loader)?_?tr(?:ain|n)?(?:ing)?(?:$|_|\b|\d)|^(?:x|y)tr(?:ain)?$|(?<!s)train", re.IGNORECASE
)
TEST = re.compile(
    r"(?:^|_|\b)(?:x|y)?te?st(?:ing)?(?:$|_|\b|\d|s?et|data|loader|x|y|df|dl)|^(?:x|y)te(?:st)?$|(?:^|_)te(?:_|$)|hold_?out|^(?:X|y)test",
    re.IGNORECASE,
)
VALID = re.compile(
    r"(?:^|_|\b)(?:x|y)?(?:val(?:id(?:ation)?)?|dev|eval)(?:$|_|\b|\d|s?et|data|loader|x|y|df|dl)|^(?:x|y)v(?:al(?:id)?)?$|(?:^|_)cal(?:ib)?(?:$|_)",
    re.IGNORECASE,
)
SPLITTERS = re.compile(
    r"(?:^|\.)(?:(?:Repeated)?(?:Stratified)?(?:Group)?(?:KFold|ShuffleSplit)|TimeSeriesSplit|LeaveOneOut|LeavePOut|LeaveOneGroupOut|LeavePGroupsOut|"
    r"RepeatedKFold|RepeatedStratifiedKFold|PredefinedSplit|GroupKFold|StratifiedGroupKFold|IterativeStratification|MultilabelStratifiedKFold|"
    r"MultilabelStratifiedShuffleSplit|PurgedGroupTimeSeriesSplit|check_cv)$"
)
LOADS = re.compile(
    r"(?:^|\.)(?:load_dataset|read_csv|read_parquet|read_json|read_table|load|loadtxt|ImageFolder|load_from_disk|imread|CSVDataset|genfromtxt|read_excel|read_feather|read_pickle)$"
)
TORCH_DATASETS = re.compile(r"^(?:torchvision|torchaudio|torchtext|torch_geometric)\.datasets\.(?:\w+\.)*\w+$")
RANDOM_SPLITS = frozenset({"random_split"})
# Methods of a `DatasetDict` that do the same to each of its parts.
_TO_EACH_PART = words(
    """
    map filter shuffle sort cast cast_column remove_columns rename_column rename_columns select_columns with_format with_transform
    class_encode_column flatten align_labels_with_mapping
    """
)
_PATH = re.compile(r"(?:^|[/\\_.-])(train|test|val|valid|validation|dev)(?:ing)?(?:[/\\_.-]|$|\d|ing)", re.IGNORECASE)


def role_of_name(name: str) -> Role | None:
    """What a part is for, by what it is called; None where the name says nothing, or two things."""
    if VALID.search(name):
        return Role.VALID
    if TEST.search(name):
        return Role.TEST if not re.search(r"train", name, re.IGNORECASE) else None
    return Role.TRAIN if TRAIN.search(name) else None


def role_of_loader(loader: Call) -> Role | None:
    """What a loader is for, by what it is called, or by what its data set is called."""
    dataset = loader.argument(0, "dataset")
    return role_of_name(name_of(loader)) or (role_of_name(name_of(base(dataset))) if dataset is not None else None)


def role_of_word(word: str | None) -> Role | None:
    """What a part is for, by the word that it is asked for with: `train[:80%]`, `data/test.csv`."""
    found = {match.lower() for match in _PATH.findall(word or "")}
    roles = {Role.TRAIN if entry == "train" else Role.TEST if entry == "test" else Role.VALID for entry in found}
    return roles.pop() if len(roles) == 1 else None


def _end_of_path(value: Value | None) -> str | None:
    """The text of a path, or as much of its end as is written out.

    It is `_TRAIN.tsv` of `os.path.join(folder, name + "_TRAIN.tsv")`.
    """
    while value is not None and text(value) is None:
        value = plain(value)
        if isinstance(value, Operation) and value.operands:  # `folder / "train.csv"`, `"%s_train.csv" % name`, an f-string
            value = value.operands[0 if value.operator == "%" else -1]
        elif isinstance(value, Text) and value.parts:
            value = value.parts[-1]
        elif isinstance(value, Call) and value.method == "format":
            value = value.receiver
        elif isinstance(value, Call) and value.short in ("join", "Path", "str", "joinpath", "expanduser") and value.arguments:
            value = value.arguments[-1]
        else:
            return None
    return text(value)


def is_split_call(call: Call) -> bool:
    """Whether a call parts data in two or more, at random or in order."""
    return call.short == "train_test_split" or call.short in RANDOM_SPLITS


def _loaded(value: Value) -> Value:
    """Return what was loaded as a whole, without what was then done to each of its parts.

    An example is `load_dataset("imdb").map(tokenize)`.
    """
    value = plain(value)
    while isinstance(value, Call) and value.method in _TO_EACH_PART and value.receiver is not None:
        value = plain(value.receiver)
    return value


def maker_of(call: Call) -> str:
    """The class of the object that a method is called on; an empty text where it is not known."""
    maker = base(call.receiver) if call.receiver is not None else None
    return maker.name if isinstance(maker, Call) else ""


def _is_called_training(split: Call) -> bool:
    """Return whether the code calls the data that is split the training part.

    Examples: `folds.split(self.train["X"])`, `folds.split(train_rows)`.
    """
    if not isinstance(split.node, ast.Call) or split.short != "split":
        return False
    given = [*split.node.args[:1], *(keyword.value for keyword in split.node.keywords if keyword.arg == "X")]
    return any(role_of_name(name) is Role.TRAIN for node in given for name in last_names(node))


def splitter_of(value: Value) -> Call | None:
    """The `split()` of a cross-validator that an index comes from, as one entry of it."""
    value = plain(value)
    if isinstance(value, Element):
        call = plain(value.owner)
        if isinstance(call, Call) and call.method == "split" and SPLITTERS.search(maker_of(call)):
            return call
    return None


def part_of(value: Value) -> Part | None:
    """The part that a value is, as it comes out of a split or is loaded; None where it is neither."""
    value = plain(value)
    if isinstance(value, Item):
        return _of_item(value)
    if isinstance(value, Call):
        return _of_call(value)
    if isinstance(value, Parameter):
        role = role_of_name(value.name)
        return (
            Part(role, value, False, value)
            if role is not None and not value.name.lower().startswith(("train_", "test_size", "val_"))
            else None
        )
    return None


def _of_item(item: Item) -> Part | None:
    owner, key = plain(item.owner), constant(item.key)
    if isinstance(owner, Call) and isinstance(key, int) and not isinstance(key, bool):
        if owner.short == "train_test_split" and owner.arguments and not owner.is_open and 0 <= key < 2 * len(owner.arguments):
            return Part(_first(item) if key % 2 == 0 else _held_out(item), owner, True, item)
        if owner.short in RANDOM_SPLITS:
            return Part(_first(item) if key == 0 else _held_out(item), owner, True, item)
    if isinstance(owner, Element) and isinstance(key, int):
        splitter = splitter_of(owner)
        if splitter is not None:
            return Part(Role.TRAIN if key == 0 else _held_out(item), splitter, True, item)
    if isinstance(owner, Item) and isinstance(key, int):  # (x_train, y_train), (x_test, y_test) = load_data()
        load, place = plain(owner.owner), constant(owner.key)
        if isinstance(load, Call) and load.short == "load_data" and load.name and place in (0, 1):
            return Part(Role.TRAIN if place == 0 else Role.TEST, load, True, item)
    if isinstance(owner, Call) and isinstance(key, str):
        role = _of_split_name(key)
        if owner.method == "train_test_split" and role is Role.TEST:
            role = _held_out(item)
        if role is not None and owner.method == "train_test_split":
            return Part(role, owner, True, item)
        loaded = _loaded(owner)
        if role is not None and isinstance(loaded, Call) and loaded.short in ("load_dataset", "load_from_disk"):
            return Part(role, loaded, True, item)
    role = role_of_name(name_of(item) or _name_of_holder(item))
    if role is not None and _takes_some(item.key):
        return Part(role, owner, isinstance(plain(item.key), Span), item)
    return None


def _name_of_holder(item: Item) -> str:
    """Return the name of the object that a slice is put into.

    Examples: `train = Data(rows[:80])`, `loaders["train"] = DataLoader(Data(rows[:80]))`.
    """
    parents = item.module.parents
    holder = _call_around(item.module, item.node)
    if holder is None:
        return ""
    while (loader := _call_around(item.module, holder)) is not None and LOADER.search(last_name(loader.func)):
        holder = loader
    while isinstance(chained := parents.get(holder), ast.Attribute) and isinstance(outer := parents.get(chained), ast.Call):
        holder = outer  # `torch.tensor(rows[:80]).float()`
    return _key_of(item.module, holder) or assigned_name(item.module, holder)


def _call_around(module: Module, node: ast.AST) -> ast.Call | None:
    """The call that an expression is an argument of."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.keyword):
        node, parent = parent, module.parents.get(parent)
    return parent if isinstance(parent, ast.Call) and (node in parent.args or node in parent.keywords) else None


def _key_of(module: Module, node: ast.AST) -> str:
    """The written key of a dict under which an expression is kept; empty if it is kept under none."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.Dict):
        return next((text_of(key) or "" for key, value in zip(parent.keys, parent.values, strict=True) if value is node and key), "")
    target = parent.targets[0] if isinstance(parent, ast.Assign) and parent.value is node else None
    return (text_of(target.slice) or "") if isinstance(target, ast.Subscript) else ""


def _takes_some(key: Value) -> bool:
    """Whether a subscript takes some of the rows."""
    key = plain(key)
    if isinstance(key, Display) and key.kind == "tuple" and key.items:
        key = plain(key.items[0])
    if isinstance(key, Span):
        return key.start is not None or key.stop is not None
    return isinstance(key, Operation) and key.operator in ("==", "!=", "<", ">", "<=", ">=", "~", "&", "|")


def _of_split_name(word: str) -> Role | None:
    return {
        "train": Role.TRAIN,
        "test": Role.TEST,
        "validation": Role.VALID,
        "val": Role.VALID,
        "valid": Role.VALID,
        "dev": Role.VALID,
    }.get(word)


def _first(item: Item) -> Role:
    """Return the role of the first part of a split.

    It is trained on, unless its name says otherwise: a test part that is split once more.
    """
    return Role.VALID if role_of_name(name_of(item)) is Role.VALID else Role.TRAIN


def _held_out(item: Item) -> Role:
    role = role_of_name(name_of(item))
    return role if role in (Role.VALID, Role.TEST) else Role.TEST


def _of_call(call: Call) -> Part | None:
    if TORCH_DATASETS.match(call.name):
        given = constant(
            call.argument(1 if call.short in ("MNIST", "FashionMNIST", "CIFAR10", "CIFAR100", "KMNIST", "QMNIST") else None, "train")
        )
        if isinstance(given, bool):
            return Part(Role.TRAIN if given else Role.TEST, call, True, call)
        role = _of_split_name(text(call.argument(None, "split", "image_set")) or "")
        return Part(role, call, True, call) if role is not None else None
    if LOADS.search(call.name):
        asked = text(call.argument(None, "split"))
        role = _of_split_name((asked or "").partition("[")[0])
        if role is None:
            role = role_of_word(asked or _end_of_path(call.argument(0, "filepath_or_buffer", "path", "root", "data_files", "file", "io")))
            return Part(role, call, False, call) if role is not None else None
        return Part(role, call, True, call)
    if call.method in ("sample", "drop") and call.receiver is not None:
        role = role_of_name(name_of(call))
        chosen = call.argument(0, "index", "labels") if call.method == "drop" else None
        by_index = isinstance(plain(chosen), Attribute) and plain(chosen).name == "index" if chosen is not None else False  # type: ignore[attr-defined]
        if role is not None and (by_index or (call.method == "sample" and number(call.argument(1, "frac")) not in (None, 1))):
            return Part(role, call.receiver, True, call)
    return None


class Parts:
    """Answers for the values of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._held: dict[Value, Held] = {}
        self._subsamples: dict[Call, bool] = {}

    def held(self, value: Value) -> Held:
        """What a value holds."""
        if value not in self._held:
            self._held[value] = _NOTHING  # what is asked for while it is followed
            self._held[value] = self._follow(value)
        return self._held[value]

    def part_of(self, value: Value) -> Part | None:
        """The part that a value is; what is held out of a training part is for validation."""
        part = part_of(value)
        if part is None or part.role is not Role.TEST or not isinstance(part.split, Call):
            return part
        if not is_split_call(part.split) and not SPLITTERS.search(maker_of(part.split)):
            return part
        is_of_training = Role.TRAIN in {outer.role for outer in self._before(part)} or _is_called_training(part.split)
        return replace(part, role=Role.VALID) if is_of_training else part

    def _follow(self, value: Value) -> Held:
        parts: set[Part] = set()
        whole: set[Value] = set()
        seen: dict[Value, bool] = {}
        cuts: set[tuple[Part, Value]] = set()
        pending: list[tuple[Value, bool]] = [(value, True)]
        while pending and len(seen) < MAX_VALUES:
            entry, is_whole = pending.pop()
            entry = base(entry)
            if seen.get(entry) in (True, is_whole) or isinstance(entry, (Const, Ref, Function, Class)):
                continue
            seen[entry] = is_whole
            if self._is_of_subsample(entry):
                pending += [(source, False) for source in _sources(entry)]
                continue
            part = self.part_of(entry)
            if part is not None:
                parts.add(part)
                cuts |= {(part, source) for source in _sources(entry)} if not _narrows(entry, part) else set()
                if part.role is Role.TRAIN and isinstance(entry, Item) and isinstance(part.split, Call) and is_split_call(part.split):
                    parts |= {outer for outer in self._before(part) if outer.role is not Role.TRAIN}
                continue
            by_index = self._by_index(entry)
            if by_index:
                parts |= by_index
                cuts |= {(found, source) for found in by_index for source in _sources(entry)}
                continue
            if is_whole and not isinstance(entry, Instance):
                whole.add(entry)
            if isinstance(entry, Instance):
                pending += [(inner, False) for inner in self._of_object(entry)]
                continue
            pending += [(step.value, is_whole and step.whole) for step in row_inputs(entry)]
        return Held(frozenset(parts), frozenset(whole), frozenset(seen), frozenset(cuts))

    def _is_of_subsample(self, entry: Value) -> bool:
        """Whether a value is what is left of a split whose other side is thrown away.

        It is some of the rows, and no part.
        """
        owner = plain(entry.owner) if isinstance(entry, Item) else None
        if not isinstance(owner, Call):
            return False
        if owner not in self._subsamples:
            self._subsamples[owner] = is_subsample(owner)
        return self._subsamples[owner]

    def _before(self, part: Part) -> frozenset[Part]:
        """The parts of what a split was given."""
        call = part.split
        assert isinstance(call, Call)
        given = [call.receiver] if call.method == "train_test_split" else call.arguments[:1]  # `rows.train_test_split(0.2)`
        return frozenset().union(*(self.held(entry).parts for entry in given if entry is not None))

    def _by_index(self, entry: Value) -> set[Part]:
        """Parts of `X[train_index]`, `X.iloc[train_index]`, `Subset(data, train_index)`."""
        key: Value | None = None
        if isinstance(entry, Item) and constant(entry.key) is ...:
            key = plain(entry.key)
            if isinstance(key, Display) and key.kind == "tuple" and key.items:
                key = plain(key.items[0])
        elif isinstance(entry, Call) and entry.short == "Subset":
            key = entry.argument(1, "indices")
        elif isinstance(entry, Call) and entry.short == "DataLoader":
            sampler = base(sampler) if (sampler := entry.argument(None, "sampler")) is not None else None
            key = sampler.argument(0, "indices") if isinstance(sampler, Call) and sampler.short == "SubsetRandomSampler" else None
        elif isinstance(entry, Call) and entry.method in ("take", "select") and entry.arguments:
            key = entry.arguments[0]
        if key is None or isinstance(key, (Span, Const, Operation)):
            return set()
        if isinstance(key, Display) and any(text(inner) is not None for inner in key.items):
            return set()
        return set(self.held(key).parts)

    def _of_object(self, made: Instance) -> Iterator[Value]:
        """What an object of the project was made with: a dataset is its tables."""
        if made.made is not None:
            yield from made.made.given()


def _narrows(entry: Value, part: Part) -> bool:
    """Whether a part is some rows of what has the same role already.

    An example is `train = train[~missing]`: nothing is split there.
    """
    node = entry.node
    if part.sure or not isinstance(entry, Item) or not isinstance(node, ast.Subscript):
        return False
    return role_of_name(last_name(node.value)) is part.role


def _sources(entry: Value) -> Iterator[Value]:
    """What a part was taken from."""
    if isinstance(entry, Item):
        owner, key = plain(entry.owner), constant(entry.key)
        if isinstance(owner, Call) and owner.short == "train_test_split" and isinstance(key, int):
            yield from owner.arguments[key // 2 : key // 2 + 1]
            if owner.method and owner.receiver is not None:
                yield owner.receiver
        elif isinstance(owner, Call) and is_split_call(owner):
            yield from owner.arguments[:1]
            if owner.method == "train_test_split" and owner.receiver is not None:
                yield owner.receiver
        elif not isinstance(owner, Call) or owner.short not in ("load_data", "load_dataset", "load_from_disk"):
            yield entry.owner
    elif isinstance(entry, Call) and entry.method in ("sample", "drop", "take", "select") and entry.receiver is not None:
        yield entry.receiver
    elif isinstance(entry, Call) and entry.short in ("Subset", "DataLoader"):
        yield from entry.arguments[:1]


def parts_in(program: Program) -> Parts:
    """The parts of a program's data, asked once for all rules."""
    return program.known(Parts)
