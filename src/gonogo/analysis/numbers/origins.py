"""The sources of a value: what the data flow of a number begins with."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.contents import Contents
from gonogo.analysis.dataflow.core import CONTENT
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Choice,
    Const,
    Display,
    Element,
    Item,
    Mapping,
    ModuleValue,
    Parameter,
    Ref,
    Repeated,
    Returned,
    Unknown,
    Value,
    constant,
    plain,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.numbers.controls import controls
from gonogo.analysis.training.kinds import Kind, kind_of, likely_kind

MAX_VALUES = 4_000


class Origin(StrEnum):
    """A kind of source."""

    MODEL = "model"
    LABELS = "labels"
    INPUTS = "inputs"
    DATA = "data"
    LOSS = "loss"
    RUNS = "runs"
    FILES = "files"
    CONFIG = "config"
    CONSTANT = "constant"
    RANDOM = "random"
    CLOCK = "clock"
    PROCESS = "process"
    UNKNOWN = "unknown"


@dataclass
class Origins:
    """Where a number comes from.

    Attributes:
        sources: of each kind, the values found, in the order they were come by.
        decided: kinds of what only decides between values.
        constants: the literals among the sources.
    """

    sources: dict[Origin, list[Value]] = field(default_factory=dict)
    decided: set[Origin] = field(default_factory=set)
    constants: list[Const] = field(default_factory=list)

    @property
    def kinds(self) -> set[Origin]:
        """The kinds of all sources."""
        return set(self.sources)

    @property
    def complete(self) -> bool:
        """Whether there surely are no other sources."""
        return Origin.UNKNOWN not in self.sources and Origin.UNKNOWN not in self.decided

    def only(self, *kinds: Origin) -> bool:
        """Whether all sources, and all that decides between values, surely are of some kinds."""
        return self.complete and self.kinds | self.decided <= set(kinds)


RANDOM = re.compile(
    r"^(?:random\.(?!seed|getstate|setstate|shuffle|Random$|SystemRandom$)\w+|numpy\.random\.(?!seed|default_rng|RandomState|Generator|get_state"
    r"|set_state|shuffle)\w+|torch\.(?:rand|randn|randint|randperm|normal|bernoulli|multinomial|rand_like|randn_like|randint_like|poisson)"
    r"|jax\.random\.(?!PRNGKey|key|split|fold_in)\w+|secrets\.\w+|tensorflow\.random\.(?!set_seed)\w+|scipy\.stats\.\w+\.rvs|uuid\.\w+)$"
)
_GENERATORS = re.compile(r"^(?:numpy\.random\.(?:default_rng|RandomState|Generator)|random\.(?:Random|SystemRandom))$")
CLOCK = re.compile(r"^(?:time|datetime|timeit)\.")
# What a process can learn of itself, of the machine and of who started it.
PROCESS = re.compile(
    r"^(?:os\.(?:getppid|getpid|getpgrp|uname|getlogin|getuid|getcwd|get_terminal_size|sched_getaffinity)|socket\.(?:gethostname|getfqdn)|platform\."
    r"|getpass\.getuser|psutil\.|inspect\.(?:stack|currentframe|trace|getouterframes)|traceback\.(?:extract_stack|format_stack)|threading\.enumerate"
    r"|sys\.(?:modules|path|meta_path|flags|gettrace|getprofile|_getframe|_current_frames|executable|orig_argv)"
    r"|importlib\.util\.find_spec|gc\.get_objects|pathlib\.Path\.(?:home|cwd))\b"
)
# Where Linux shows processes; the environment of one is there too.
_PROCESSES = re.compile(r"^/proc/|^/sys/|^/etc/hostname|^/\.dockerenv")
_FILES = re.compile(
    r"^(?:open|numpy\.(?:load|loadtxt|genfromtxt|fromfile)|torch\.load|json\.loads?|pickle\.loads?|yaml\.\w{0,20}load\w{0,20}|pandas\.read_\w+|joblib\.load"
    r"|safetensors\.\w+\.load_file|csv\.(?:reader|DictReader)|PIL\.Image\.open|cv2\.imread|h5py\.File)$"
)
_DATA = re.compile(
    r"^(?:datasets\.load_\w+|torchvision\.datasets\.\w+|sklearn\.datasets\.\w+|tensorflow_datasets\.load|seaborn\.load_dataset|medmnist\.\w+)$"
)
_CONFIG = re.compile(
    r"^(?:os\.(?:environ|getenv|cpu_count)|sys\.argv|omegaconf\.OmegaConf\.\w+|hydra\.(?:compose|core\.)\S*|wandb\.config|argparse\.\w+"
    r"|torch\.cuda\.(?:is_available|device_count)|torch\.device)\b"
)
_BEGINNINGS = (RANDOM, CLOCK, PROCESS, _FILES, _DATA, _CONFIG)
# Libraries whose functions give what is computed of their arguments and of nothing else, but for the names above.
_PURE = re.compile(
    r"^(?:torch\.(?!load|nn\.(?!functional|utils)|hub|distributed|optim|utils\.data|jit|compile)|numpy\.|math\.|cmath\.|statistics\.|jax\.numpy\.|jax\.nn\."
    r"|sklearn\.metrics\.|sklearn\.preprocessing\.|scipy\.|torchmetrics\.functional\.|pandas\.|itertools\.|functools\.reduce|operator\.|copy\.|collections\.|"
    r"json\.dumps|einops\.|decimal\.|fractions\.|torch\.nn\.functional\.|re\.|zlib\.(?:crc32|adler32)"
    r"|hashlib\.(?!file_digest)|binascii\.|base64\.)"
)
_BUILTINS = words(
    """
    float int sum len max min round abs sorted zip enumerate range list tuple dict set frozenset str bool reversed pow all any
    next iter
    map filter format repr complex slice hash ord chr divmod int.from_bytes tqdm tqdm.tqdm tqdm.auto.tqdm isinstance type
    """
)
# Methods that give what is computed of the value they are called on and of their arguments, and change nothing.
_METHODS = words(
    """
    mean sum item cpu numpy detach float int long tolist argmax argmin max min abs sqrt exp log pow std var median all any squeeze unsqueeze
    view reshape flatten clone copy to cuda double half bool round clamp clip norm eq ne lt gt le ge topk sort argsort cumsum prod softmax
    log_softmax sigmoid dim size numel transpose permute expand contiguous t gather masked_select index_select nonzero type astype ravel
    items keys values get count index join split strip lower upper replace format startswith endswith rsplit ljust rjust title encode decode
    to_dict to_numpy dropna groupby agg aggregate describe iterrows itertuples head tail apply map merge sort_values reset_index set_index
    rename drop drop_duplicates pivot pivot_table melt set_axis where mask between isin stack unstack to_list explode assign
    unique nunique value_counts quantile corr diff fillna isna notna filter query loc iloc rolling ewm most_common elements
    expand_as repeat tile roll flip unbind chunk view_as type_as square relu tanh div mul add sub matmul mm bmm dot T div_ nanmean nansum
    mode kthvalue amax amin bincount histc hexdigest digest from_bytes bit_count
    fromkeys isoformat strftime total_seconds sum_to_size shape
    """
)
_THROUGH = frozenset({"tqdm", "track", "islice", "enumerate", "prefetch", "trange"})
_LABEL = re.compile(r"^(?:labels?|targets?|y|gt|ground_truths?|answers?|references?|label_ids|class(?:es)?)$", re.IGNORECASE)


class Sources:
    """Follows values of a program back to their sources."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.controls = controls(program)
        self.touched: dict[Value, list[Value]] = {}
        for touched, by in program.gather(_touches):
            self.touched.setdefault(touched, []).append(by)
        self._known: dict[Value, Origins] = {}

    def of(self, value: Value) -> Origins:
        """The sources of a value."""
        if value not in self._known:
            self._known[value] = self._follow(value)
        return self._known[value]

    def _follow(self, value: Value) -> Origins:
        found = Origins()
        deciding: list[Value] = []
        self._collect([value], found, deciding)
        others = Origins()
        followed: set[Value] = set()  # conditions may decide each other, in a loop
        while deciding and len(followed) < MAX_VALUES:
            followed.update(deciding)
            more: list[Value] = []
            self._collect(deciding, others, more)
            deciding = [entry for entry in dict.fromkeys(more) if entry not in followed]
        found.decided = others.kinds | ({Origin.UNKNOWN} if deciding else set())
        return found

    def _collect(self, begun: list[Value], found: Origins, deciding: list[Value]) -> None:
        seen: set[Value] = set()
        pending = list(begun)
        while pending:
            entry = pending.pop()
            if entry in seen:
                continue
            seen.add(entry)
            if len(seen) > MAX_VALUES:
                found.sources.setdefault(Origin.UNKNOWN, []).append(entry)
                return
            for origin in self._leaf(entry):
                found.sources.setdefault(origin, []).append(entry)
                if origin is Origin.CONSTANT and isinstance(entry, Const):
                    found.constants.append(entry)
            pending += self._inputs(entry)
            if isinstance(entry, Choice):
                deciding += self.controls.of(entry)
            elif (key := _key_of(entry)) is not None:
                deciding.append(key)

    # -- one value ----------------------------------------------------------------------------------------------------

    def _leaf(self, value: Value) -> Iterator[Origin]:
        """What a value is a source of, by itself."""
        if isinstance(value, Const):
            yield Origin.CONSTANT
        elif isinstance(value, Parameter):
            yield _of_parameter(value)
        elif isinstance(value, Unknown):
            yield Origin.UNKNOWN
        elif isinstance(value, Ref):
            yield _of_name(value.name)
        elif isinstance(value, Instance):
            yield Origin.UNKNOWN
        elif isinstance(value, Returned):
            if kind_of(value.call.callee) is Kind.MODEL:
                yield Origin.MODEL
        elif isinstance(value, Element):
            yield from _of_element(value)
        elif isinstance(value, Item):
            yield from _of_item(value)
        elif isinstance(value, Call):
            yield from _of_call(value)

    def _inputs(self, value: Value) -> Iterator[Value]:
        """What a value was made of, as far as it bears on its sources."""
        if isinstance(value, (Instance, Function, Class, ModuleValue, Parameter)):
            return
        if isinstance(value, Call):
            yield from _inputs_of_call(value)
        elif isinstance(value, Element):
            if not list(_of_element(value)):
                yield value.sample if value.sample is not None else value.owner
        elif isinstance(value, Item):
            if not list(_of_item(value)):
                yield value.owner
        elif isinstance(value, Repeated):
            yield value.element
        elif isinstance(value, Returned):
            if kind_of(value.call.callee) is Kind.MODEL:
                yield from value.call.given()
            else:
                yield value.value
        else:
            yield from value.inputs()
        if isinstance(value, (Display, Mapping, Call, Repeated)):
            yield from self.touched.get(value, ())
            yield from (held for part, held in self.program.fields(value).items() if part != CONTENT or held is not value)


def sources_of(program: Program) -> Sources:
    """What follows the values of a program back to their sources."""
    return program.known(Sources)


def _touches(contents: Contents) -> Iterator[tuple[Value, Value]]:
    """Yield what calls may put into arrays and containers.

    The call is a method that changes them, or a function that they are passed to.
    """
    for events in contents.events.values():
        for event in events:
            yield from _touched_by(event)


def _touched_by(event: Event) -> Iterator[tuple[Value, Value]]:
    call = event.call
    receiver = base(call.receiver) if call.receiver is not None else None
    if isinstance(receiver, (Display, Mapping, Call, Repeated)) and call.method not in _METHODS and not _comes_from_runs(receiver):
        for given in call.given():
            yield receiver, given
        if call.method not in ("append", "extend", "update", "add", "insert", "setdefault"):
            yield receiver, Unknown(call.module, call.node)
    if _is_pure(call):
        out = call.keywords.get("out")
        if out is not None:
            yield base(out), Unknown(call.module, call.node)
        return
    if call.name.startswith(("wandb.", "json.", "print", "logging.", "os.", "matplotlib.", "seaborn.")) or call.method in (
        "log",
        "append",
        "savefig",
    ):
        return
    for given in call.given():
        touched = base(given)
        if isinstance(touched, (Display, Mapping, Repeated)) or (isinstance(touched, Call) and _is_pure(touched)):
            yield touched, Unknown(call.module, call.node)


def _is_pure(call: Call) -> bool:
    if call.method:
        return call.method in _METHODS
    return call.name in _BUILTINS or (_PURE.match(call.name) is not None and not RANDOM.match(call.name))


def _of_parameter(value: Parameter) -> Origin:
    decorators = getattr(value.function, "decorator_list", [])
    if any("hydra" in ast.unparse(entry) for entry in decorators):
        return Origin.CONFIG
    if re.search(r"\b(?:DictConfig|Namespace|\w*Config|\w*Args|\w*Arguments|Trial)\b", value.annotation):
        return Origin.CONFIG
    return Origin.CONFIG if value.name in ("cfg", "config", "args", "opt", "hparams", "trial") else Origin.UNKNOWN


def _of_name(name: str) -> Origin:
    if _CONFIG.match(name):
        return Origin.CONFIG
    if PROCESS.match(name):
        return Origin.PROCESS
    if name.startswith(("torch.", "numpy.", "math.", "string.", "pandas.")) or name in _BUILTINS or name in ("torch", "numpy", "math"):
        return Origin.CONSTANT
    return Origin.RUNS if name.startswith("wandb.Api") else Origin.UNKNOWN


def _of_element(value: Element) -> Iterator[Origin]:
    """A batch, or a part of one."""
    owner = plain(value.owner)
    if is_batches(owner):
        yield Origin.DATA
    elif isinstance(owner, Item):
        yield from _of_item(owner)


def _of_item(value: Item) -> Iterator[Origin]:
    """A part of a batch: the labels or the inputs of it."""
    owner = plain(value.owner)
    if isinstance(owner, Returned):
        owner = plain(owner.value)
    if not isinstance(owner, Element) or not is_batches(plain(owner.owner)):
        return
    key = constant(value.key)
    if isinstance(key, str):
        yield Origin.LABELS if _LABEL.match(key) else Origin.INPUTS
    elif key in (0, 1) and not isinstance(key, bool):
        yield Origin.LABELS if key == 1 else Origin.INPUTS
    else:
        yield Origin.DATA


def loader_of(value: Value) -> Value:
    """The loader behind what is iterated over: in `tqdm`, in `enumerate`, in a list."""
    for _ in range(4):
        value = base(value)
        through = isinstance(value, Call) and (value.short in _THROUGH or value.name in ("list", "iter")) and value.arguments
        if not through:
            break
        assert isinstance(value, Call)
        value = value.arguments[0]
    return value


def is_batches(value: Value) -> bool:
    """Whether iterating over a value gives batches of data."""
    return likely_kind(loader_of(value)) is Kind.LOADER


def loader_of_batch(value: Value) -> Value | None:
    """The loader that a batch, or a part of one, comes from."""
    for _ in range(4):
        value = plain(value)
        if isinstance(value, Element) and is_batches(value.owner):
            return loader_of(value.owner)
        if not isinstance(value, (Item, Element)):
            return None
        value = value.owner
    return None


def loaders_of(origins: Origins) -> list[Value]:
    """The loaders that a number's batches come from."""
    found: dict[Value, None] = {}
    for origin in (Origin.INPUTS, Origin.LABELS, Origin.DATA):
        for source in origins.sources.get(origin, ()):
            loader = loader_of_batch(source)
            if loader is not None:
                found[loader] = None
    return list(found)


def _of_call(call: Call) -> Iterator[Origin]:
    name = call.name
    if name:
        if RANDOM.match(name):
            yield Origin.RANDOM
        elif CLOCK.match(name):
            yield Origin.CLOCK
        elif PROCESS.match(name):
            yield Origin.PROCESS
        elif _FILES.match(name):
            yield Origin.PROCESS if _names_processes(call) else Origin.FILES
        elif _DATA.match(name):
            yield Origin.DATA
        elif _CONFIG.match(name):
            yield Origin.CONFIG
        elif name.startswith("wandb.Api"):
            yield Origin.RUNS
        elif name == "wandb.init":
            yield Origin.CONFIG
        elif not _is_pure(call):
            yield _BY_KIND.get(kind_of(call), Origin.UNKNOWN)
        return
    receiver = base(call.receiver) if call.receiver is not None else None
    if receiver is not None:
        if isinstance(receiver, Call) and _GENERATORS.match(receiver.name):
            yield Origin.RANDOM
        elif call.method not in _METHODS and _comes_from_runs(receiver):
            yield Origin.RUNS
        elif (
            call.method == "parse_args"
            or call.method == "parse_known_args"
            or (
                isinstance(receiver, Parameter) and _of_parameter(receiver) is Origin.CONFIG and call.method.startswith(("suggest_", "get"))
            )
        ):
            yield Origin.CONFIG
        elif likely_kind(receiver) is Kind.MODEL:
            yield Origin.MODEL
        elif call.method in ("read_text", "read_bytes", "read", "readlines", "open"):
            yield Origin.PROCESS if _names_processes(receiver) else Origin.FILES
        elif not _is_pure(call):
            yield Origin.UNKNOWN
        return
    kind = likely_kind(call.callee)
    yield Origin.MODEL if kind is Kind.MODEL else Origin.LOSS if kind is Kind.LOSS else Origin.UNKNOWN


_BY_KIND: dict[Kind | None, Origin] = {Kind.MODEL: Origin.MODEL, Kind.LOADER: Origin.DATA, Kind.DATASET: Origin.DATA}


def _names_processes(value: Value) -> bool:
    """Whether a path, or what opens one, is written out and leads to what the system says of processes."""
    given = base(value)
    arguments = given.arguments if isinstance(given, Call) else [given]
    return any(isinstance(path := constant(entry), str) and _PROCESSES.match(path) is not None for entry in arguments[:1])


def _comes_from_runs(value: Value) -> bool:
    for _ in range(10):
        value = base(value)
        if isinstance(value, Call):
            if value.name.startswith("wandb.Api"):
                return True
            if value.receiver is None:
                return False
            value = value.receiver
        elif isinstance(value, (Attribute, Item, Element)):
            value = value.owner
        else:
            return False
    return False


def _key_of(value: Value) -> Value | None:
    """What chooses the entry of a container that a value is."""
    key = value.key if isinstance(value, Item) else None
    if isinstance(value, Call) and value.method in ("get", "pop", "setdefault") and value.arguments:
        key = value.arguments[0]
    return key if key is not None and not isinstance(plain(key), Const) else None


def _inputs_of_call(call: Call) -> Iterator[Value]:
    callee = plain(call.callee)
    if isinstance(callee, Attribute) and not isinstance(plain(callee.owner), Ref):
        yield callee.owner if kind_of(callee.owner) is not Kind.MODEL and not _is_source(call) else Const(call.module, call.node, None)
    if not _is_source(call):
        yield from (given for given in call.given() if given is not _key_of(call))


def _is_source(call: Call) -> bool:
    """Return whether a call is a source of data.

    The arguments of such a call, a file's name or a seed, say nothing of the data.
    """
    if call.name:
        known = any(pattern.match(call.name) for pattern in _BEGINNINGS) or call.name.startswith("wandb.")
        return known or kind_of(call) in _BY_KIND
    receiver = base(call.receiver) if call.receiver is not None else None
    if receiver is None or (isinstance(receiver, Call) and _GENERATORS.match(receiver.name)):
        return receiver is not None
    if call.method in ("read_text", "read_bytes", "read", "readlines") and _names_processes(receiver):
        return True
    return call.method not in _METHODS and _comes_from_runs(receiver)
