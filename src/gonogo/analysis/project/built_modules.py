"""Modules that building a project makes: extensions of `setup.py`, CMake, Meson, maturin, cffi."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gonogo.documents.toml import parse_toml
from gonogo.model.experiment import Experiment

# `Extension("a.b", …)`, `CUDAExtension(name="a.b")`, `RustExtension`, `Pybind11Extension`.
_EXTENSION = re.compile(r"\b\w*Extension\s*\(\s*(?:name\s*=\s*|target\s*=\s*)?([rubf]*[\"'])?([\w.]*)")
# `extension = CUDAExtension`, which is called by that name later, with names that are computed.
_OTHER_NAME = re.compile(r"=\s*\w*(?<!Build)Extension\b\s*(?:$|if\b|else\b|,|#)", re.MULTILINE)
_CMAKE = re.compile(
    r"\b(?:pybind11_add_module|nanobind_add_module|[Pp]ython\w*_add_(?:library|module)|add_library|set_target_properties)\s*\(\s*([\w.${}-]+)"
)
_OUTPUT = re.compile(r"\bOUTPUT_NAME\s+\"?([\w.-]+)")
_MESON = re.compile(r"\bextension_module\s*\(\s*['\"]([\w.]+)")
_CFFI = re.compile(r"\bset_source\s*\(\s*[\"']([\w.]+)")


@dataclass(frozen=True)
class BuiltModules:
    """What a build makes.

    Attributes:
        names: of modules, dotted or only their last part.
        is_open: there are others whose names are computed.
    """

    names: frozenset[str] = frozenset()
    is_open: bool = False

    def may_have(self, module: str) -> bool:
        """Whether a module may come into being when the project is built."""
        last = module.rpartition(".")[2]
        return self.is_open or any(name in (module, last) or name.rpartition(".")[2] == last for name in self.names)


def built_modules(experiment: Experiment) -> BuiltModules:
    """What the build files of a project make."""
    names: set[str] = set()
    is_open = False
    for path, file in experiment.files.items():
        text, last = file.text or "", path.rpartition("/")[2]
        if last.endswith(".py") and ("Extension" in text or "set_source" in text) and ("setup" in text or "cffi" in text):
            for quote, name in _EXTENSION.findall(text):
                if quote and name:
                    names.add(name)
                elif "ext_modules" in text or "rust_extensions" in text:
                    is_open = True
            is_open = is_open or ("ext_modules" in text and _OTHER_NAME.search(text) is not None)
            names |= set(_CFFI.findall(text))
        elif last.endswith(".pyx"):
            names.add(last.removesuffix(".pyx"))  # Cython makes it, into whichever package its `setup.py` says
        elif last == "CMakeLists.txt":
            found = [*_CMAKE.findall(text), *_OUTPUT.findall(text)]
            names |= {name for name in found if "$" not in name}
            is_open = is_open or any("$" in name for name in found)
        elif last == "meson.build":
            names |= set(_MESON.findall(text))
        elif last in ("Cargo.toml", "pyproject.toml"):
            names |= _of_table(parse_toml(text).table)
    return BuiltModules(frozenset(names), is_open)


def _of_table(table: dict[str, object]) -> set[str]:
    """What `Cargo.toml` and `pyproject.toml` name."""

    def at(*keys: str) -> object:
        value: object = table
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    found = [at("lib", "name"), at("tool", "maturin", "module-name")]
    package = at("package", "name")
    found.append(package.replace("-", "_") if isinstance(package, str) else None)
    extensions = at("tool", "setuptools", "ext-modules")
    found += [entry.get("name") for entry in (extensions if isinstance(extensions, list) else []) if isinstance(entry, dict)]
    return {name for name in found if isinstance(name, str)}
