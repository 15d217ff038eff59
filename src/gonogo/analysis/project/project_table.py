"""What uv and the build backends refuse in `pyproject.toml`, each case seen with uv itself.

Ours, and not validate-pyproject: that one holds a file against the standard, and uv forgives some of it and refuses more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from gonogo.analysis.project.dependencies import TableProblem
from gonogo.analysis.project.pyproject import Pyproject

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SCRIPT = re.compile(r"\s*[\w.-]+\s*(:\s*\w+(\.\w+)*\s*)?(\[[^\]]*\]\s*)?")
_NEWEST_MINOR = 20
_PROJECT_KEYS = frozenset(
    {
        "name", "version", "description", "readme", "requires-python", "license", "license-files", "authors", "maintainers", "keywords",
        "classifiers", "urls", "scripts", "gui-scripts", "entry-points", "dependencies", "optional-dependencies", "dynamic", "import-names",
        "import-namespaces",
    }
)  # fmt: skip
_OTHER_SETTINGS = {"hatch.toml", "setup.py", "setup.cfg"}
_TEXT_LISTS = ("keywords", "classifiers")


def project_faults(pyproject: Pyproject) -> Iterator[TableProblem]:
    """What uv itself refuses, whether the project is built or not."""
    if pyproject.fault is not None or "project" not in pyproject.table:
        return
    if not isinstance(pyproject.table["project"], dict):
        yield TableProblem(pyproject.locate("project"), "`project` is not a table, so uv refuses the file", "write a [project] table")
        return
    yield from _name_and_version(pyproject)
    yield from _requires_python(pyproject)
    extras = pyproject.project.get("optional-dependencies", {})
    if not isinstance(extras, dict) or any(not isinstance(entries, list) for entries in extras.values()):
        yield TableProblem(
            pyproject.locate("project", "optional-dependencies"),
            "`optional-dependencies` is not a table of lists, so uv refuses the file",
            'write `[project.optional-dependencies]` with `name = ["requirement", ...]`',
        )


def _name_and_version(pyproject: Pyproject) -> Iterator[TableProblem]:
    project, dynamic = pyproject.project, pyproject.project.get("dynamic", [])
    name, version = project.get("name"), project.get("version")
    if name is None:
        yield TableProblem(pyproject.locate("project"), "`[project]` has no name, so uv refuses the file", "add `name`")
    elif not isinstance(name, str) or not _NAME.fullmatch(name):
        yield TableProblem(
            pyproject.locate("project", "name"),
            "the project's name is not valid, so uv refuses the file",
            "use letters, digits, `-`, `_` and `.` only, with a letter or digit at both ends",
            repr(name),
        )
    if version is None and not (isinstance(dynamic, list) and "version" in dynamic):
        yield TableProblem(pyproject.locate("project"), "`[project]` has no version, so uv refuses the file", 'add `version = "0.1.0"`')
    elif version is not None and not _is_version(version):
        yield TableProblem(
            pyproject.locate("project", "version"),
            "the project's version is not valid, so uv refuses the file",
            'write one like `"0.1.0"`',
            repr(version),
        )


def _is_version(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(Version(value))
    except InvalidVersion:
        return False


def _requires_python(pyproject: Pyproject) -> Iterator[TableProblem]:
    value = pyproject.project.get("requires-python")
    if value is None:
        return
    place, action = pyproject.locate("project", "requires-python"), 'write it like `requires-python = ">=3.11"`'
    try:
        if not isinstance(value, str) or value.rstrip().endswith(","):
            raise InvalidSpecifier
        admitted = SpecifierSet(value)
    except InvalidSpecifier:
        yield TableProblem(place, "`requires-python` is not a version specifier, so uv refuses the file", action, repr(value))
        return
    # The newest first: most projects admit it, and then no other need be looked at.
    versions = (f"3.{minor}.{patch}" for minor in reversed(range(_NEWEST_MINOR)) for patch in (*range(30), 99))
    if not any(admitted.contains(version, prereleases=True) for version in versions):
        yield TableProblem(place, "`requires-python` admits no Python 3 there is, so uv finds no interpreter", action, value)


def build_faults(pyproject: Pyproject, paths: Collection[str]) -> Iterator[TableProblem]:
    """What makes the build of the project itself fail, which uv does before it runs anything in it.

    Args:
        pyproject: the file.
        paths: every path of the experiment.
    """
    if pyproject.fault is not None or not pyproject.is_built:
        return
    system = pyproject.section("build-system")
    backend = system.get("build-backend", "setuptools.build_meta:__legacy__")
    if "build-system" in pyproject.table and not isinstance(system.get("requires"), list):
        yield TableProblem(
            pyproject.locate("build-system"),
            "`[build-system]` has no list `requires`, so the project can't be built",
            'write `requires = ["hatchling"]`, or delete [build-system]: code run with `python -m` needs no build',
        )
        return
    if not isinstance(backend, str):
        return
    family = next((name for name in ("setuptools", "hatchling", "poetry", "uv_build", "flit_core") if backend.startswith(name)), "")
    if family:
        yield from _metadata(pyproject, family)
    if family and _OTHER_SETTINGS & set(paths):
        return  # settings that are not in this file
    check = {"hatchling": _hatchling, "poetry": _poetry, "uv_build": _uv_build, "setuptools": _setuptools}.get(family)
    if check is not None:
        yield from check(pyproject, paths)


def _metadata(pyproject: Pyproject, family: str) -> Iterator[TableProblem]:
    """Values of `[project]` that uv lets pass and the backends do not."""
    project = pyproject.project
    for key in ("authors", "maintainers"):
        if key in project and not _are_people(project[key], family):
            yield TableProblem(
                pyproject.locate("project", key),
                f"`{key}` is not a list of tables with name or email, so the project can't be built",
                f'write `{key} = [{{name = "..."}}]`',
                repr(project[key])[:200],
            )
    description = project.get("description")
    if description is not None and not isinstance(description, str):
        yield TableProblem(
            pyproject.locate("project", "description"), "`description` is not a text, so the project can't be built", "quote it"
        )
    for key in _TEXT_LISTS:
        if key in project and not (isinstance(project[key], list) and all(isinstance(entry, str) for entry in project[key])):
            yield TableProblem(
                pyproject.locate("project", key), f"`{key}` is not a list of texts, so the project can't be built", "write a list of texts"
            )
    classifiers = project.get("classifiers")
    doubled = isinstance(classifiers, list) and any(str(entry).startswith("License ::") for entry in classifiers)
    if family == "setuptools" and doubled and isinstance(project.get("license"), str):
        yield TableProblem(
            pyproject.locate("project", "classifiers"),
            "`license` is an expression and `classifiers` names a license too, which setuptools refuses to build",
            "delete the license classifier",
        )
    scripts = pyproject.section("project", "scripts")
    for name, target in scripts.items():
        if not isinstance(target, str) or not _SCRIPT.fullmatch(target):
            yield TableProblem(
                pyproject.locate("project", "scripts", name),
                "an entry of `[project.scripts]` is not of the form `module:function`, so the project can't be installed",
                "write `package.module:function`, or delete the entry",
                f"{name} = {target!r}",
            )
    unknown = sorted(project.keys() - _PROJECT_KEYS)
    if unknown and family == "setuptools":
        yield TableProblem(
            pyproject.locate("project", unknown[0]),
            f"`[project]` has the key `{unknown[0]}`, which no standard knows, so setuptools refuses to build",
            "delete it",
        )


def missing_documents(pyproject: Pyproject, paths: Collection[str]) -> Iterator[TableProblem]:
    """Yield readme and license files that the project's build needs and that are missing."""
    backend = str(pyproject.section("build-system").get("build-backend", ""))
    if pyproject.fault is not None or not pyproject.is_built or not backend.startswith(("hatchling", "poetry")):
        return
    for key in ("readme", "license"):
        value = pyproject.project.get(key)
        name = value.get("file") if isinstance(value, dict) else value if key == "readme" else None
        if isinstance(name, str) and name not in paths:
            yield TableProblem(
                pyproject.locate("project", key),
                f"`{key}` names the file `{name}`, which is not there, so the project can't be built without it",
                f"write `{name}`, or delete `{key}`",
            )


def _are_people(value: object, family: str) -> bool:
    if not isinstance(value, list):
        return False
    for person in value:
        if not isinstance(person, dict) or not person.keys() & {"name", "email"}:
            return False
        if any(not isinstance(person.get(key, ""), str) for key in ("name", "email")) or "@" not in person.get("email", "@"):
            return False
        if person.keys() - {"name", "email"} and family != "hatchling":
            return False
    return True


_HOW = "or delete [build-system]: code run with `python -m` needs no build"


def _package_missing(pyproject: Pyproject, key: tuple[str, ...], backend: str, wanted: str, action: str) -> TableProblem:
    return TableProblem(
        pyproject.locate(*key), f"{backend} finds no package to build ({wanted}), so `uv run` fails before any code runs", action
    )


def _names(pyproject: Pyproject) -> tuple[str, str]:
    name = str(pyproject.project.get("name", "")).strip()
    return name, re.sub(r"[-_.]+", "_", name)


def _exists(paths: Collection[str], *wanted: str) -> bool:
    lowered = [path.lower() for path in paths]
    return any(path == one.lower() or path.startswith(one.lower().rstrip("/") + "/") for one in wanted for path in lowered)


def _hatchling(pyproject: Pyproject, paths: Collection[str]) -> Iterator[TableProblem]:
    build = pyproject.section("tool", "hatch", "build")
    wheel = pyproject.section("tool", "hatch", "build", "targets", "wheel")
    chosen = [
        table.get(key) for table in (build, wheel) for key in ("packages", "include", "only-include", "force-include", "bypass-selection")
    ]
    name, module = _names(pyproject)
    candidates = {name.lower(), module.lower(), name.replace("-", "_").lower()}
    files = [path.lower().split("/") for path in paths]
    has_package = any(parts[-1] == "__init__.py" and len(parts) in (2, 3) and parts[-2] in candidates for parts in files)
    has_module = any(len(parts) == 1 and parts[0].removesuffix(".py") in candidates and parts[0].endswith(".py") for parts in files)
    if not any(chosen) and not has_package and not has_module and "hooks" not in build and "hooks" not in wheel:
        yield _package_missing(
            pyproject,
            ("build-system", "build-backend"),
            "hatchling",
            f"none is named `{module}` like the project",
            f'say `packages = ["src"]` under [tool.hatch.build.targets.wheel], {_HOW}',
        )


def _poetry(pyproject: Pyproject, paths: Collection[str]) -> Iterator[TableProblem]:
    table = pyproject.section("tool", "poetry")
    if table.get("package-mode") is False:
        yield TableProblem(
            pyproject.locate("tool", "poetry", "package-mode"),
            "poetry-core refuses to build with `package-mode = false`, so `uv run` fails before any code runs",
            "delete [build-system]: code run with `python -m` needs no build",
        )
        return
    packages: Any = table.get("packages")
    if packages:
        entries = [entry for entry in packages if isinstance(entry, dict)] if isinstance(packages, list) else []
        for entry in entries:
            include, folder = str(entry.get("include", "")), str(entry.get("from", ""))
            path = f"{folder}/{include}".strip("/")
            if include and not re.search(r"[*?\[]", path) and not _exists(paths, path):
                yield _package_missing(
                    pyproject, ("tool", "poetry", "packages"), "poetry-core", f"there is no `{path}`", f"name a folder that exists, {_HOW}"
                )
        return
    name, module = _names(pyproject)
    wanted = [form for one in {name, module, name.replace("-", "_")} for form in (one, f"{one}.py", f"src/{one}", f"src/{one}.py")]
    if not _exists(paths, *wanted):
        yield _package_missing(
            pyproject, ("build-system", "build-backend"), "poetry-core", f"none is named `{module}` like the project",
            f'say `packages = [{{include = "src"}}]` under [tool.poetry], {_HOW}',
        )  # fmt: skip


def _uv_build(pyproject: Pyproject, paths: Collection[str]) -> Iterator[TableProblem]:
    settings = pyproject.section("tool", "uv", "build-backend")
    if settings.keys() & {"module-name", "namespace"}:
        return
    module = _names(pyproject)[1].lower()
    root = str(settings.get("module-root", "src")).strip("/")
    wanted = f"{root}/{module}/__init__.py".strip("/")
    if not _exists(paths, wanted):
        yield _package_missing(
            pyproject, ("build-system", "build-backend"), "uv_build", f"there is no `{wanted}`", f"make a package of that name, {_HOW}"
        )


def _setuptools(pyproject: Pyproject, paths: Collection[str]) -> Iterator[TableProblem]:
    table = pyproject.section("tool", "setuptools")
    packages, folders = table.get("packages"), table.get("package-dir", {})
    if isinstance(packages, list) and isinstance(folders, dict) and not folders:
        for name in packages:
            if isinstance(name, str) and not _exists(paths, name.replace(".", "/")):
                yield _package_missing(
                    pyproject, ("tool", "setuptools", "packages"), "setuptools", f"there is no folder `{name.replace('.', '/')}`",
                    f"name folders that exist, {_HOW}",
                )  # fmt: skip
    where = pyproject.section("tool", "setuptools", "packages", "find").get("where")
    for folder in where if isinstance(where, list) else []:
        if isinstance(folder, str) and folder.strip("./") and not _exists(paths, folder.removeprefix("./")):
            yield _package_missing(
                pyproject, ("tool", "setuptools", "packages", "find", "where"), "setuptools", f"there is no folder `{folder}`",
                f"name a folder that exists, {_HOW}",
            )  # fmt: skip
