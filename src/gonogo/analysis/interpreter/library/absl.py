"""`absl` flags, and the program that reads them.

Modules define the flags wherever they like, and all of them are in one object.
"""

from __future__ import annotations

import ast
import sys

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.ml_collections import of_flag
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.memory import Field
from gonogo.analysis.interpreter.sentinels import ABSENT, NO_DEFAULT, UNHANDLED, NoDefault, Unhandled
from gonogo.analysis.interpreter.state import Site
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.lacking import Words
from gonogo.analysis.interpreter.values.module import ModuleValue
from gonogo.analysis.interpreter.values.one_of import OneOf
from gonogo.analysis.interpreter.values.options import Options, Parsed
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled

ALIKE = ("absl.flags", "tensorflow.compat.v1.flags", "tensorflow.compat.v1.app.flags", "tensorflow.app.flags", "tensorflow.flags")
DEFINES = (
    "alias", "bool", "boolean", "date", "datetime", "enum", "enum_class", "flag", "float", "integer", "list", "multi", "multi_enum",
    "multi_enum_class", "multi_float", "multi_integer", "multi_string", "spaceseplist", "string",
)  # fmt: skip
CONFIGS = tuple(f"ml_collections.{name}" for name in ("config_flags.DEFINE_config_file", "config_flags.DEFINE_config_dict"))
#: What `absl` itself defines, and the methods of the object.
BUILT_IN = frozenset(
    {
        "alsologtostderr", "flagfile", "help", "helpfull", "helpshort", "helpxml", "log_dir", "logger_levels", "logtostderr",
        "only_check_args", "pdb", "pdb_post_mortem", "profile_file", "run_with_pdb", "run_with_profiling", "showprefixforinfo",
        "stderrthreshold", "undefok", "use_cprofile_for_profiling", "v", "verbosity", "test_random_seed",
        "test_randomize_ordering_seed", "test_srcdir", "test_tmpdir",
        "xml_output_file",
    }
)  # fmt: skip
METHODS = frozenset(
    {
        "append_flag_values", "append_flags_into_file", "find_module_defining_flag", "find_module_id_defining_flag", "flag_values_dict",
        "flags_by_module_dict", "flags_by_module_id_dict", "flags_into_string", "get_flag_value", "get_flags_for_module", "get_help",
        "get_key_flags_for_module", "is_gnu_getopt", "is_parsed", "key_flags_by_module_dict", "main_module_help", "mark_as_parsed",
        "module_help", "read_flags_from_files", "register_flag_by_module", "register_flag_by_module_id", "register_key_flag_for_module",
        "remove_flag_values", "set_default", "set_gnu_getopt", "unparse_flags", "validate_all_flags", "write_help_in_xml_format",
    }
)  # fmt: skip
SHOWS = frozenset({"is_parsed", "mark_as_parsed", "set_default", "unparse_flags", "is_gnu_getopt", "set_gnu_getopt", "get_help"})
#: Libraries that define no flags when they are imported. Of any other nobody knows which flags there are.
WITHOUT_FLAGS = frozenset(
    {
        "absl", "attr", "chex", "clu", "cv2", "datasets", "distrax", "dm_env", "einops", "etils", "flax", "gym", "gymnasium",
        "h5py", "haiku", "imageio", "jax", "jaxlib", "jaxtyping", "matplotlib", "ml_collections", "msgpack", "mujoco", "nltk",
        "numpy", "omegaconf", "optax", "orbax", "pandas", "PIL", "psutil", "pyarrow", "regex", "requests", "rlax", "scipy",
        "seaborn", "sentencepiece", "six", "skimage", "sklearn", "tensorboard", "tensorboardX", "tensorflow",
        "tensorflow_datasets", "tensorflow_probability", "tokenizers", "torch", "torchvision", "tqdm", "transformers", "tree",
        "typing_extensions", "wandb", "yaml",
    }
)  # fmt: skip
DEFINE_MORE = frozenset({"config_with_absl", "parse_flags_with_absl", "define_flags", "register_flags"})  # functions of libraries
WORDS = Words("no flag is called `{name}`", "define it: `flags.DEFINE_…('{name}', …)`")
KEY = "absl.flags.FLAGS"

LIBRARY.reads_options("absl", "flags.DEFINE")


class Flags(Options):
    """All flags of the process, and where each is defined."""

    __slots__ = ("_places", "_seen")
    places = Field[tuple[tuple[str, Site], ...]]()

    def __init__(self) -> None:
        super().__init__({}, BUILT_IN | METHODS | frozenset(dir(object)) | {"__call__", "__getitem__"}, WORDS)
        self._places: object = ()
        self._seen = 0  # how many modules were loaded when it was last asked which libraries they import

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A flag or a method."""
        if name in METHODS:
            return BoundMethod(self, name)
        if len(walk.process.loaded) != self._seen:
            self._seen = len(walk.process.loaded)
            if not _is_known(walk):
                walk.memory.set(self, "open", True)
        return super().member(walk, name, at, default, kind)

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """`FLAGS["name"]`: the flag, with its value."""
        name = key.constant()
        if isinstance(name, str):
            self.member(walk, name, at)
        else:
            self.escape(walk)
        return UNKNOWN

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """`FLAGS(argv)` reads the command line."""
        walk.state.record(Parsed(self, dict(self.places)))
        return UNKNOWN

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method, which may tell of all flags."""
        if name not in SHOWS:
            self.escape(walk)
        return UNKNOWN

    def copied(self, walk: Walk, config: bool | None = None, parent: Value | None = None) -> Value:
        """There is one."""
        return self


def _is_known(walk: Walk) -> bool:
    """Whether all that the program imports was seen, or is of a library that defines no flags."""
    loaded = [settled(value) for _, value in walk.process.loaded.pairs()]
    names = {dotted for value in loaded if isinstance(value, ModuleValue) for dotted in value.module.imports.values()}
    roots = {dotted.partition(".")[0] for dotted in names} - WITHOUT_FLAGS - sys.stdlib_module_names
    called = {node.attr for value in loaded if isinstance(value, ModuleValue) for node in value.module.of(ast.Attribute)}
    is_seen = not called & DEFINE_MORE and not any(walk.modules.is_left_out(name) for name in names)
    return is_seen and all(walk.modules.is_ours(root) for root in roots)


def _flags(walk: Walk) -> Flags:
    found = settled(walk.process.loaded.look(KEY)) if walk.process.loaded.look(KEY) is not ABSENT else None
    if not isinstance(found, Flags):
        found = Flags()
        walk.memory.put(walk.process.loaded, KEY, found)
    return found


@LIBRARY.attribute(*(f"{module}.FLAGS" for module in ALIKE))
def flags(walk: Walk) -> Value:
    """`flags.FLAGS`."""
    return _flags(walk)


@LIBRARY.call(*(f"{module}.DEFINE_{kind}" for module in ALIKE for kind in DEFINES), *CONFIGS)
def define(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`DEFINE_string("name", default, help)`: one more flag; `DEFINE_enum` says which values it may have."""
    if "flag_values" in given.keywords:
        return UNKNOWN
    found, name = _flags(walk), given.get(0, "name").constant()
    if given.open or not isinstance(name, str):
        walk.memory.set(found, "open", True)
        return UNKNOWN
    walk.memory.put(found.attributes, name, _value(walk, name, given, at))
    if isinstance(walk.state.module.parents.get(at), ast.Expr):  # else what it gives may be kept, and asked for the value
        walk.memory.set(found, "places", (*found.places, (name, walk.state.site(at))))
    return UNKNOWN


def _value(walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
    """What is known of a flag: of an enumeration, which values there are; of a config, what makes it."""
    defines = at.func.attr if isinstance(at, ast.Call) and isinstance(at.func, ast.Attribute) else ""
    if defines == "DEFINE_config_file":
        return of_flag(walk, name, given, at)
    if defines == "DEFINE_config_dict":
        return given.get(1, "config")
    is_enumeration = defines == "DEFINE_enum"
    choices = settled(given.get(2, "enum_values"))
    if not is_enumeration or not isinstance(choices, Sequence) or choices.open:
        return UNKNOWN
    values = [each.constant() for each in [given.get(1, "default"), *choices.values]]
    return OneOf(dict.fromkeys(values)) if all(value is None or isinstance(value, str) for value in values) else UNKNOWN  # type: ignore[arg-type]


@LIBRARY.call("absl.app.run", "tensorflow.compat.v1.app.run", "tensorflow.app.run")
def run(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`app.run(main)`: reads the command line and calls the function."""
    named = walk.modules.globals_of(walk.state.module).look("main")
    main = given.get(0, "main", UNKNOWN if named is ABSENT else settled(named))
    if main.unknown or given.open or "flags_parser" in given.keywords:
        _flags(walk).release(walk)
        return UNHANDLED
    found = _flags(walk)
    walk.state.record(Parsed(found, dict(found.places)))
    main.call(walk, Arguments([UNKNOWN]), at)
    return UNKNOWN
