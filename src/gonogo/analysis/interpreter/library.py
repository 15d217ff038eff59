"""What the libraries around a config do: OmegaConf, Hydra, paths, child processes, and calls that only show a config."""

from __future__ import annotations

import ast
import posixpath
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gonogo.analysis.interpreter.builtin import Builtins
from gonogo.analysis.interpreter.config import NOTHING, adopted, build, copied
from gonogo.analysis.interpreter.methods import ROOT
from gonogo.analysis.interpreter.trace import Misuse, StructWrite
from gonogo.analysis.interpreter.values import (
    SCALARS,
    UNKNOWN,
    Arguments,
    Dict,
    FilePath,
    Instance,
    List,
    Node,
    Partial,
    Text,
    Unknown,
    truth,
)
from gonogo.analysis.python.modules import qualified_name
from gonogo.documents.yaml import parse_yaml

if TYPE_CHECKING:
    from gonogo.analysis.interpreter.interpreter import Machine

Model = Callable[["Machine", Arguments, ast.AST], Any]
LIBRARY: dict[str, Model] = {}
FILE_ROOT = "@file"
# Calls that show or store a config: what they are given counts as seen by people, not as used.
SINKS = (
    "print", "wandb.init", "wandb.config.update", "wandb.init().config.update", "json.dump", "json.dumps", "yaml.dump", "yaml.safe_dump",
    "pprint.", "logging.", "rich.", "loguru.", "omegaconf.OmegaConf.to_yaml", "omegaconf.OmegaConf.save", "warnings.warn",
    "omegaconf.OmegaConf.is_config", "omegaconf.OmegaConf.is_dict", "omegaconf.OmegaConf.resolve", "omegaconf.OmegaConf.set_readonly",
)  # fmt: skip
SURVIVING = frozenset({"raises", "suppress", "assertRaises"})  # contexts in which an exception does no harm
OVERRIDES_OF_HYDRA = "hydra.core.hydra_config.HydraConfig.get().overrides.task"
CHOICES_OF_HYDRA = "hydra.core.hydra_config.HydraConfig.get().runtime.choices"


def model(*names: str) -> Callable[[Model], Model]:
    """Let a function stand for library functions of these names; it may return NOTHING to say that it knows no better."""

    def declare(function: Model) -> Model:
        LIBRARY.update(dict.fromkeys(names, function))
        return function

    return declare


class Libraries(Builtins):
    """State and helpers that the models need."""

    shown_configs: list[Any]
    wandb_config_read: bool
    library = LIBRARY

    def is_sink(self, name: str) -> bool:
        """Whether a call of this name only shows what it is given."""
        return name.startswith(SINKS)

    def member_outside(self, member: Unknown) -> Any:
        """An attribute of something outside the experiment, where it is known what that is."""
        name = member.name
        if name == "sys.argv":
            return self.argv
        if name == "sys.executable":
            return "python"
        if name == OVERRIDES_OF_HYDRA:
            return List(self.argv.items[1:], self.argv.open)
        if name == CHOICES_OF_HYDRA and self.process.compositions:
            return Dict(dict(self.process.compositions[-1][1].choices), open=True)
        if name in ("hydra.core.hydra_config.HydraConfig.get().runtime.cwd",):
            return ROOT
        if name in ("wandb.config", "wandb.init().config", "wandb.run.config"):
            self.wandb_config_read = True
        return member

    def note_isinstance(self, at: ast.AST) -> None:
        """Record `isinstance(node, dict)`, false for a DictConfig, unless the same function also asks for DictConfig or Mapping."""
        function = self.enclosing_function(at)
        names = {qualified_name(node).rpartition(".")[2] for node in ast.walk(function) if isinstance(node, (ast.Name, ast.Attribute))}
        if (
            not names & {"DictConfig", "OmegaConf", "Mapping", "MutableMapping", "ListConfig", "is_config"}
            and not self.guards
            and not self.in_doubt
        ):
            self.trace.misuses.append(Misuse(self.site(at), "isinstance", "a DictConfig is no dict: this is always false"))

    def refuse_removal(self, owner: Node, key: Any, at: ast.AST, how: str) -> None:
        """Record the removal of a key in struct mode."""
        if owner.config and owner.is_struct() and not self.guards and not self.in_doubt and not owner.open:
            self.trace.struct_writes.append(StructWrite(self.site(at), (*owner.path, str(key)), how))

    def load_file(self, value: Any, config: bool) -> Any:
        """The content of a YAML file of the experiment, as nodes under `@file`; unknown for any other file."""
        text = value.text if isinstance(value, FilePath) else value
        if isinstance(value, Unknown) and value.name.startswith("open:"):
            text = value.name.removeprefix("open:").removesuffix(".read()")
        if not isinstance(text, str):
            self.trace.loads_unknown = True
            return UNKNOWN
        path = self.file_path(text).text
        content = self.file_text(path)
        document = parse_yaml(content) if content is not None else None
        if document is None or document.error is not None or not isinstance(document.value, dict):
            return UNKNOWN
        return build(document.value, (FILE_ROOT, path.removeprefix(ROOT + "/")), config)

    def enter_context(self, value: Any, leave: list[Callable[[], None]], at: ast.AST) -> Any:
        """Enter a `with` block; what has to be undone at its end goes to `leave`."""
        if isinstance(value, Partial) and isinstance(value.callee, Unknown) and value.callee.name == "open_dict":
            node = value.arguments.get(0, "config")
            if isinstance(node, Node):
                before = node.struct
                node.struct = False
                leave.append(lambda: setattr(node, "struct", before))
            return node
        if isinstance(value, Partial) and isinstance(value.callee, Unknown) and value.callee.name == "hydra.initialize":
            before_folder, self.hydra_folder = self.hydra_folder, self.folder_given(value.arguments)
            leave.append(lambda: setattr(self, "hydra_folder", before_folder))
            return UNKNOWN
        if isinstance(value, Unknown) and value.name.removesuffix("()").rpartition(".")[2] in SURVIVING:
            self.guards += 1
            leave.append(self._leave_guard)
            return UNKNOWN
        if isinstance(value, Instance) and value.cls is not None:
            enter = value.cls.find("__enter__")
            return self.call_function(enter.bind(value), [], {}, at) if enter is not None and hasattr(enter, "bind") else value
        return value

    def _leave_guard(self) -> None:
        self.guards -= 1


# -- OmegaConf ------------------------------------------------------------------------------------------------------------

_OMEGACONF = "omegaconf.OmegaConf."


@model(_OMEGACONF + "create", "omegaconf.DictConfig", "omegaconf.dictconfig.DictConfig")
def _create(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "obj", None)
    if value is None:
        return Node((), config=True)
    if isinstance(value, Dict):
        node = adopted(value, (), None)
        node.struct = False if isinstance(value, Node) and not value.is_struct() else None
        return node
    return NOTHING


@model(_OMEGACONF + "to_container", _OMEGACONF + "to_object")
def _to_container(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "cfg", UNKNOWN)
    return copied(value, config=False) if isinstance(value, (Dict, List)) else NOTHING


@model(_OMEGACONF + "merge", _OMEGACONF + "unsafe_merge")
def _merge(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    parts = arguments.positional
    if not parts or not isinstance(parts[0], Dict):
        return NOTHING
    first = parts[0]
    target = copied(first, True) if isinstance(first, Node) else adopted(first, (), None)
    target.struct = first.is_struct() if isinstance(first, Node) else None
    for part in parts[1:]:
        machine.merge_into(target, part, at)
    target.open = target.open or arguments.open
    return target


@model(_OMEGACONF + "update")
def _update(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    node, key, value = arguments.get(0, "cfg", UNKNOWN), arguments.get(1, "key", UNKNOWN), arguments.get(2, "value", UNKNOWN)
    if not isinstance(node, Node):
        return None
    if not isinstance(key, str):
        node.open = True
        return None
    force = truth(arguments.keywords.get("force_add", False)) is not False
    *parents, last = key.split(".")
    for parent in parents:
        child = node.items.get(parent)
        if not isinstance(child, Node):
            if child is None:
                machine.write_key(node, parent, Dict(), at, "update", checked=not force)
                child = node.items.get(parent)
            if not isinstance(child, Node):
                return None
        node = child
    machine.write_key(node, last, value, at, "update", checked=not force)
    return None


@model(_OMEGACONF + "select")
def _select(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    node, key = arguments.get(0, "cfg", UNKNOWN), arguments.get(1, "key", UNKNOWN)
    if not isinstance(node, Node):
        return NOTHING
    if not isinstance(key, str):
        machine.escape(node)
        return UNKNOWN
    return machine.select(node, key, at, default=arguments.keywords.get("default"))


@model(_OMEGACONF + "set_struct")
def _set_struct(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    node, flag = arguments.get(0, "conf", UNKNOWN), arguments.get(1, "value", UNKNOWN)
    if isinstance(node, Node):
        answer = truth(flag) if flag is not None else None
        node.struct = False if machine.uncertain or answer is None else answer
    return None


@model(_OMEGACONF + "is_missing")
def _is_missing(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    node, key = arguments.get(0, "cfg", UNKNOWN), arguments.get(1, "key", UNKNOWN)
    if isinstance(node, Node) and isinstance(key, str) and not node.open and key not in node.maybe:
        return key in node.items and node.items[key] == "???"
    return UNKNOWN


@model(_OMEGACONF + "is_config", _OMEGACONF + "is_dict")
def _is_config(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "obj", UNKNOWN)
    return value.config if isinstance(value, Node) else False if isinstance(value, SCALARS) else UNKNOWN


@model(_OMEGACONF + "load")
def _load(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    return machine.load_file(arguments.get(0, "file_", UNKNOWN), config=True)


@model("yaml.safe_load", "yaml.load", "yaml.full_load")
def _yaml_load(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    return machine.load_file(arguments.get(0, "stream", UNKNOWN), config=False)


@model("omegaconf.open_dict", "omegaconf.read_write", "omegaconf.omegaconf.open_dict")
def _open_dict(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    return Partial(Unknown("open_dict"), arguments)


@model("omegaconf.flag_override")
def _flag_override(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    names = arguments.get(1, "names", UNKNOWN)
    return Partial(Unknown("open_dict"), arguments) if names != "readonly" else arguments.get(0, "config", UNKNOWN)


@model("copy.deepcopy", "copy.copy")
def _copy(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "x", UNKNOWN)
    if isinstance(value, Node):
        result = copied(value)
        result.struct = value.is_struct()
        return result
    return copied(value) if isinstance(value, (Dict, List)) else value if isinstance(value, (Instance, *SCALARS)) else NOTHING


# -- Hydra ----------------------------------------------------------------------------------------------------------------


@model("hydra.utils.to_absolute_path", "os.path.abspath", "os.path.realpath", "os.path.expanduser", "os.path.normpath", "os.fspath")
def _absolute(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "path", UNKNOWN)
    text = value.text if isinstance(value, FilePath) else value
    return machine.file_path(text).text if isinstance(text, str) else UNKNOWN


@model("hydra.utils.get_original_cwd", "os.getcwd")
def _directory(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    return ROOT


@model("hydra.utils.instantiate", "hydra.utils.call")
def _instantiate(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "config", UNKNOWN)
    if isinstance(value, (Node, List)) and not machine.guards and not machine.in_doubt:
        _note_instantiated(machine, value)
    machine.let_go(arguments)  # to whatever the `_target_` names
    return UNKNOWN


def _note_instantiated(machine: Machine, value: Node | List) -> None:
    if isinstance(value, Node):
        if "_target_" in value.items:
            keys = frozenset() if value.open or value.maybe else frozenset(map(str, value.items))
            machine.trace.instantiated.setdefault(value.path, keys)
        if value.items.get("_recursive_") is False:
            return
    for item in value.items.values() if isinstance(value, Node) else value.items:
        if isinstance(item, (Node, List)):
            _note_instantiated(machine, item)


@model("hydra.initialize", "hydra.initialize_config_dir")
def _initialize(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    machine.hydra_folder = machine.folder_given(arguments)
    return Partial(Unknown("hydra.initialize"), arguments)


@model("hydra.compose")
def _compose(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    return machine.compose_by_call(arguments, at)


# -- paths and files ------------------------------------------------------------------------------------------------------


@model("os.path.join")
def _join(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    path = UNKNOWN if arguments.open else machine.join_paths(arguments.positional)
    return path.text if isinstance(path, FilePath) else UNKNOWN


@model("os.path.dirname")
def _dirname(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "p", UNKNOWN)
    text = value.text if isinstance(value, FilePath) else value
    return posixpath.dirname(text) if isinstance(text, str) else UNKNOWN


@model("pathlib.Path", "pathlib.PurePath")
def _path(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    return machine.join_paths(arguments.positional) if arguments.positional else FilePath(ROOT)


@model("pathlib.Path.cwd", "rootutils.setup_root", "pyrootutils.setup_root", "rootutils.find_root", "pyrootutils.find_root")
def _cwd(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    return FilePath(ROOT)


@model("os.path.exists", "os.path.isfile")
def _exists(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "path", UNKNOWN)
    text = value.text if isinstance(value, FilePath) else value
    return True if isinstance(text, str) and machine.file_text(machine.file_path(text).text) is not None else UNKNOWN


@model("open", "io.open")
def _open(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "file", UNKNOWN)
    text = value.text if isinstance(value, FilePath) else value
    return Unknown(f"open:{text}") if isinstance(text, str) and len(text) < 90 else UNKNOWN


# -- objects --------------------------------------------------------------------------------------------------------------


@model("types.SimpleNamespace", "argparse.Namespace")
def _namespace(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    return Instance(None, dict(arguments.keywords))


@model("functools.partial")
def _partial(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    if not arguments.positional:
        return UNKNOWN
    return Partial(arguments.positional[0], Arguments(arguments.positional[1:], arguments.keywords, arguments.open))


@model("collections.OrderedDict", "collections.defaultdict")
def _ordered(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    return Dict(open=True)


@model("json.dumps", "json.dump")
def _json(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "obj", UNKNOWN)
    if (
        isinstance(value, Node)
        and value.config
        and not {"default", "cls"} & set(arguments.keywords)
        and not machine.guards
        and not machine.in_doubt
    ):
        machine.trace.misuses.append(Misuse(machine.site(at), "json", "`json` can't write a DictConfig"))
    return UNKNOWN


@model("wandb.init")
def _wandb_init(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    machine.shown_configs.append(arguments.keywords.get("config"))
    return NOTHING


# -- child processes ------------------------------------------------------------------------------------------------------


@model("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output", "subprocess.Popen", "os.execv", "os.execvp")
def _start(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    command = arguments.get(0, "args", UNKNOWN)
    if "os.exec" in qualified_name(getattr(at, "func", at)):
        command = arguments.get(1, "args", UNKNOWN)
    machine.launch(command, at)
    return NOTHING


@model("os.system")
def _system(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    machine.launch(arguments.get(0, "command", UNKNOWN), at)
    return UNKNOWN


@model("shlex.quote")
def _quote(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    value = arguments.get(0, "s", UNKNOWN)
    return shlex.quote(value) if isinstance(value, str) else value if isinstance(value, Text) else UNKNOWN


@model("shlex.split")
def _split(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    words = machine.words(arguments.get(0, "s", UNKNOWN))
    return List(words) if words is not None else List(open=True)


@model("shlex.join")
def _join_words(machine: Machine, arguments: Arguments, at: ast.AST) -> Any:
    items, complete = machine.iterate(arguments.get(0, "split_command", UNKNOWN))
    return shlex.join(items) if complete and all(isinstance(item, str) for item in items) else UNKNOWN
