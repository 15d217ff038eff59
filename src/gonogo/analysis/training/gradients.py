"""Whether the gradient of a value reaches any parameter, and which modules it was computed by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Choice,
    Const,
    Display,
    Element,
    Formatted,
    Item,
    Mapping,
    Mode,
    ModuleValue,
    Operation,
    Parameter,
    Ref,
    Repeated,
    Returned,
    Span,
    Text,
    Unknown,
    Value,
    constant,
    plain,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.objects import takes_numbers
from gonogo.analysis.training.ops import NUMERIC, op_of
from gonogo.analysis.training.settings import is_setting
from gonogo.analysis.training.written import written

# Methods and functions whose result has no gradient, whatever they are given.
CUTS = words(
    """
    item detach detach_ numpy tolist argmax argmin argsort float_ int bool long from_numpy asarray eq ne gt ge lt le isnan isfinite
    isinf zeros_like ones_like full_like rand_like randn_like zeros ones full rand randn randint arange linspace eye empty randperm
    one_hot stop_gradient nonzero round_ sign_ multinomial bernoulli shape size dim numel unique bincount device_count len empty_like
    new_zeros new_ones new_full new_tensor is_available time searchsorted histc accuracy
    """
)
# Attributes of a tensor that have none.
PLAIN = frozenset({"data", "grad", "shape", "dtype", "device", "ndim", "is_cuda", "layout", "indices"})
# Layers of torch.nn without parameters: what comes out has a gradient if what goes in has.
BARE = (
    "relu", "softmax", "sigmoid", "tanh", "dropout", "pool", "loss", "entropy", "flatten", "identity", "upsample", "pad", "fold", "gelu",
    "silu", "elu", "hardtanh", "softplus", "threshold", "glu", "shuffle", "similarity", "distance", "kl_div", "logsigmoid", "mish",
    "hardswish", "hardsigmoid", "softsign", "unflatten", "gumbel", "shrink",
)  # fmt: skip
# Methods of tensors and of containers whose result has a gradient if what they are called on has.
PASSES = words(
    """
    to cuda cpu float double half bfloat16 type view reshape squeeze unsqueeze flatten transpose contiguous clone mean sum max min
    expand repeat t type_as size get items values pow sqrt requires_grad_ abs exp log add sub mul div std var norm pin_memory astype
    copy cat logsumexp clip expand_as view_as softmax log_softmax sigmoid tanh gather masked_fill retain_grad rsqrt square neg
    """
)

# Functions of NumPy that only use what a tensor can do itself: it comes back with its graph. The others refuse a tensor that has one.
NUMPY_PASSES = words("take_along_axis squeeze swapaxes real split array_split hsplit vsplit")


MAX_DEPTH = 120  # values within values; beyond, nothing is known


class Gradients:
    """Answers for the values of one program.

    Args:
        program: the walk; what is made a leaf anywhere in it, or written into, is not sure of anything.
    """

    def __init__(self, program: Program) -> None:
        self._leaves = {base(write.owner) for write in program.all(Write) if write.key == "requires_grad"}
        marked = [event.call.receiver for event in program.calls("requires_grad_") if event.call.receiver is not None]
        self._leaves |= {entry for receiver in marked for entry in _marked(receiver)}
        self._written = program.known(written)
        self._known: dict[Value, bool | None] = {}
        self._given_are_data = False  # what callers give holds no gradient
        self._active: dict[Value, int] = {}  # what is being looked at, with its depth
        self._lowest = MAX_DEPTH  # the outermost of these that was come by again

    def reaches(self, value: Value) -> bool | None:
        """Whether the gradient of a value reaches a parameter or a leaf: yes, no, or None for unknown."""
        value = plain(value)
        if value in self._known:
            return self._known[value]
        if value in self._active:  # a loop adds nothing of its own
            self._lowest = min(self._lowest, self._active[value])
            return False
        depth = len(self._active)
        if depth >= MAX_DEPTH:
            return None
        outer, self._lowest = self._lowest, MAX_DEPTH
        self._active[value] = depth
        found = self._read(value)
        if found is not True and value in self._written:
            others = self._any(self._written[value])
            found = others if found is False else others or None
        del self._active[value]
        if self._lowest >= depth:  # it does not hang on anything that is still being looked at
            self._known[value] = found
            self._lowest = MAX_DEPTH
        self._lowest = min(self._lowest, outer)
        return found

    def is_made_leaf(self, value: Value) -> bool:
        """Whether somebody makes a value a leaf by hand, by `requires_grad`."""
        return base(value) in self._leaves

    def is_cut_leaf(self, value: Value) -> bool:
        """Return whether a value is made a leaf by hand although it is cut off from every parameter.

        What it was computed from is cut off from the parameters.
        """
        value = plain(value)
        if isinstance(value, Call) and value.method == "requires_grad_" and value.receiver is not None:
            return self.is_cut_leaf(value.receiver)
        if isinstance(value, Call) and constant(value.keywords.get("requires_grad")) is True and value.arguments:
            op = op_of(value)
            computed = op is not None and op.name in ("tensor", "Variable", "as_tensor")
            return computed and any(isinstance(plain(given), (Call, Attribute, Operation)) for given in value.arguments[:1])
        if not self.is_made_leaf(value) or isinstance(value, (Choice, Const)):
            return False
        kept, known = self._leaves, self._known
        self._leaves, self._known = self._leaves - {value, base(value)}, {}
        self._given_are_data = self._has_cut(value)
        cut = self.reaches(value) is False
        self._leaves, self._known, self._given_are_data = kept, known, False
        return cut

    def _has_cut(self, value: Value) -> bool:
        """Return whether the gradient of a network's output was cut off on the way to a value.

        Then what a caller passes along with it is data, such as labels.
        """
        pending = [value]
        seen: set[Value] = set()
        while pending and len(seen) < MAX_DEPTH:
            entry = plain(pending.pop())
            if entry in seen or isinstance(entry, (Function, Class, Instance, Ref)):
                continue
            seen.add(entry)
            op = op_of(entry)
            if op is not None and op.name in CUTS and any(_is_applied(plain(given)) for given in op.operands):
                return True
            pending += entry.inputs()
        return False

    def _read(self, value: Value) -> bool | None:
        if isinstance(value, Const) and (value.value is None or value.value is ...):
            return None  # a method that the classes below give, or one that raises; a place that is to be filled in
        if isinstance(value, (Const, Ref, Text, Formatted, Function, Class, ModuleValue, Span)):
            return False
        if value in self._leaves:
            return None
        if is_setting(value):
            return False
        if isinstance(value, Choice):
            return self._alike(value.options)
        if isinstance(value, Returned):
            return self.reaches(value.value)
        if isinstance(value, (Display, Mapping, Operation)):
            if isinstance(value, Operation) and value.operator not in ("+", "-", "*", "/", "**", "@", "neg", "%", "//", "and", "or", "~"):
                return False
            if isinstance(value, Display) and value.kind == "list" and not value.items and not value.added:
                return None  # whoever it is handed to may fill it
            return self._any(value.inputs())
        if isinstance(value, Repeated):
            return self.reaches(value.element)
        if isinstance(value, Item):
            return self.reaches(value.owner)
        if isinstance(value, Attribute):
            if value.name in PLAIN:
                return False
            owner = self.reaches(value.owner)
            return owner if owner is True or isinstance(plain(value.owner), (Call, Item, Element)) else None
        if isinstance(value, Parameter) and self._given_are_data:
            return False
        if isinstance(value, Element):
            return self._of_element(value)
        return self._of_call(value) if isinstance(value, Call) else None

    def _of_element(self, value: Element) -> bool | None:
        if value.sample is not None:
            return False  # what a loader gives was made elsewhere
        owner = plain(value.owner)
        if kind_of(owner) is Kind.LOADER:
            return False
        return self.reaches(owner) if isinstance(owner, (Call, Item)) else None

    def _any(self, values: Iterable[Value]) -> bool | None:
        found = [self.reaches(entry) for entry in values]
        return True if True in found else None if None in found else False

    def _alike(self, values: Iterable[Value]) -> bool | None:
        found = {self.reaches(entry) for entry in values}
        return found.pop() if len(found) == 1 else None

    def _of_call(self, call: Call) -> bool | None:
        op = op_of(call)
        if op is None:
            return None
        if constant(call.keywords.get("requires_grad")) is True or op.name in ("Parameter", "UninitializedParameter"):
            return True
        if "requires_grad" in call.keywords and constant(call.keywords["requires_grad"]) is not False:
            return None
        if op.name in CUTS or op.name in ("tensor", "as_tensor_"):
            return False
        if call.context.grad is Mode.OFF or is_first_order(call):
            return False
        if op.maker is not None:
            return self._of_layer(op.name, op.maker, call)
        return self._of_function(op.name, op.library, call)

    def _of_layer(self, name: str, maker: Call, call: Call) -> bool | None:
        if kind_of(maker) is Kind.MODEL and call.context.grad is Mode.ON and maker not in self._leaves and not _is_bare(maker, name):
            return True
        given = self._any(call.given())
        if given is True:
            return True
        return given if _is_bare(maker, name) else None

    def _of_function(self, name: str, library: str, call: Call) -> bool | None:
        receiver = call.receiver
        if receiver is not None and not library:
            if isinstance(plain(receiver), Ref):
                return None
            own = self.reaches(receiver)
            given = self._any(call.given())
            if True in (own, given) and kind_of(receiver) is None:
                return True
            return False if own is False and given is False and name in PASSES else None
        if library in NUMERIC:
            if library == "numpy" and call.short in NUMPY_PASSES:
                return self._any(call.given())
            if library != "torch" and library not in ("jax", "tensorflow"):
                return False if library in ("numpy", "math", "scipy", "pandas") else None
            if isinstance(plain(call.callee), Ref) and kind_of(call) is not None:
                return None  # a layer or an optimizer, not what it computes
            found = self._any(call.given())
            calls = any(isinstance(base(given), (Function, Class, Instance)) for given in call.given())
            return None if found is False and calls else found  # `checkpoint(self.block, x)`: what it is given to call may have parameters
        if name in ("float", "int", "str", "bool", "round", "len") and not library.count("."):
            return False
        if name in ("sum", "max", "min", "abs", "Variable"):
            return self._any(call.given())
        return None


def is_first_order(call: Call) -> bool:
    """Return whether gradients are taken without a graph of their own.

    Then nothing can be learned through them.
    """
    graph = call.argument(4, "create_graph")
    return call.name == "torch.autograd.grad" and (graph is None or constant(graph) is False) and not call.is_open


def _marked(receiver: Value) -> set[Value]:
    """What is made a leaf: a value, or all that is in a container that a loop goes through."""
    found, pending = {base(receiver)}, [base(receiver)]
    while pending and len(found) < MAX_DEPTH:
        entry = pending.pop()
        inner: Iterable[Value] = ()
        if isinstance(entry, (Element, Item)):
            inner = (entry.owner,)
        elif isinstance(entry, Repeated):
            inner = (entry.element,)
        elif isinstance(entry, Display) or (isinstance(entry, Operation) and entry.operator == "+"):
            inner = entry.inputs()
        new = {base(value) for value in inner} - found
        found |= new
        pending += new
    return found


def _is_applied(value: Value) -> bool:
    """Whether a value is what a network, or an object that a caller gives, computed."""
    return isinstance(value, Returned) or (isinstance(value, Call) and isinstance(plain(value.callee), (Parameter, Call)))


def _is_bare(maker: Call, name: str) -> bool:
    """Whether a layer of torch.nn has no parameters."""
    return maker.name.startswith("torch.nn.") and any(part in name for part in BARE)


def computed_by(program: Program, value: Value) -> Iterator[Value]:
    """Yield the networks that computed a value, where its gradient reaches them.

    They are objects of the project and layers of libraries.

    What was computed without automatic differentiation, or is detached, is left out.
    """
    inside = program.known(written)
    pending, seen = [value], set()
    while pending:
        entry = pending.pop()
        if entry in seen:
            continue
        seen.add(entry)
        pending += inside.get(plain(entry), ())
        if isinstance(entry, Returned):
            pending.append(entry.value)
            callee = base(entry.call.callee)
            if entry.call.context.grad is not Mode.OFF and isinstance(callee, (Instance, Call)):
                yield callee
            continue
        if _is_cut(entry):
            continue
        if isinstance(entry, Call):
            callee = base(entry.callee)
            if kind_of(callee) in (Kind.MODEL, Kind.LOSS):
                yield callee
        if isinstance(entry, (Function, Class, Instance, Ref)):
            continue
        pending += list(entry.inputs())


def touches(value: Value, networks: set[Value]) -> bool:
    """Return whether a value was made from a network in any way, with its gradient.

    It may be made from what the network computed, or from its parameters.
    """
    pending, seen = [value], set()
    while pending:
        entry = pending.pop()
        if entry in networks:
            return True
        if entry in seen or isinstance(entry, (Function, Class, Instance, Ref)) or _is_cut(entry):
            continue
        if isinstance(entry, Call) and takes_numbers(entry):
            continue
        seen.add(entry)
        pending += list(entry.inputs())
    return False


def _is_cut(value: Value) -> bool:
    """Whether no gradient goes through a value."""
    if isinstance(value, Attribute):
        return value.name in PLAIN
    call = value.call if isinstance(value, Returned) else value
    if not isinstance(call, Call):
        return False
    op = op_of(call)
    return call.context.grad is Mode.OFF or (op is not None and op.name in CUTS)


def is_fully_known(value: Value) -> bool:
    """Whether it is known of all that a value was made of by which networks it was computed."""
    pending, seen = [value], set()
    while pending:
        entry = pending.pop()
        if entry in seen or is_setting(entry):
            continue
        seen.add(entry)
        if isinstance(entry, (Parameter, Unknown)):
            return False
        if isinstance(entry, Call) and not _is_known_call(entry):
            return False
        if isinstance(entry, Returned):
            pending.append(entry.value)
        elif not isinstance(entry, (Function, Class, Instance, Ref)):
            pending += list(entry.inputs())
    return True


def _is_known_call(call: Call) -> bool:
    """Whether a call computes by the tensors it is given, or by a network that is known."""
    callee = plain(call.callee)
    if isinstance(callee, Ref):
        return True
    if isinstance(callee, Attribute):
        return kind_of(callee.owner) is None and not any(isinstance(base(given), Instance) for given in call.given())
    return kind_of(base(callee)) in (Kind.MODEL, Kind.LOSS)
