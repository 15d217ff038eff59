"""Packages that an index has only as sources.

They are built in the sandbox, without a network, into wheels that uv then installs.

Who builds a package runs its author's code. So its files are fetched beforehand, each by its hash, what the build needs is installed from
wheels, and only then is the build run: it sees these files, a Python and a compiler, no network, no key and nothing of the caller's. A
proxy that lets builds through to an index would have to know every address that an index may name, and would hand its passwords to the
build. What comes out is a wheel like those on the index, and is kept for whoever asks for the same version next.
"""

from __future__ import annotations

import base64
import hashlib
import json
import netrc
import os
import shutil
import sys
import tomllib
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomli_w
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from gonogo.execution import project_file, safe_build
from gonogo.execution.interpreter_folders import Interpreter, locate
from gonogo.execution.sandbox import Box, Containment, Limits, Policy, RunResult
from gonogo.execution.sandbox.model import GIBIBYTE, Limit
from gonogo.execution.uv import Refusal, Uv, words
from gonogo.model.errors import StageError

MOST_SOURCES = 512 << 20
MOST_WHEEL = 2 * GIBIBYTE
MOST_SETTINGS = 1 << 20
DEFAULT_REQUIRES = ["setuptools>=40.8.0", "wheel"]
DEFAULT_BACKEND = "setuptools.build_meta:__legacy__"
DOWNLOAD_SECONDS = 60.0


class Builder:
    """Builds packages from sources.

    Args:
        uv: fetches what builds need.
        python: the base interpreter that the wheels are for.
        kept: where wheels are kept.
        containment: what holds the builds.
        on_line: gets what they say.
    """

    def __init__(self, uv: Uv, python: Path, kept: Path, containment: Containment, on_line: Callable[[str], None] | None) -> None:
        self._uv = uv
        self._python = python
        self._kept = kept
        self._containment = containment
        self._on_line = on_line or (lambda _: None)

    def wheel(self, name: str, version: str, work: Path) -> Path | Refusal:
        """A wheel of a package, built now or kept from before; or why its build fails.

        Args:
            name: of the package.
            version: of the package.
            work: an empty folder.

        Raises:
            StageError: its sources can't be had, or say something that is not followed.
        """
        sources, digest = self._fetch(name, version, work)
        kept = self._kept / canonicalize_name(name) / version / digest[:16]
        with suppress(OSError):
            if found := sorted(kept.glob("*.whl")):
                return found[0]
        self._on_line(f"building {name} {version} in the sandbox")
        settings = self._settings(sources)
        requires = settings.pop("requires")
        environment = self._environment(requires, work)
        result, wheel = self._build(sources, settings, environment, work)
        if isinstance(result, list):  # what the backend says that it needs besides
            environment = self._environment([*requires, *result], work)
            result, wheel = self._build(sources, settings | {"asked": True}, environment, work)
        if wheel is None:
            told = f"{name} {version} is on the index as sources alone; its build in the sandbox fails:\n{result}"
            return Refusal("unbuildable", told)
        _check_name(wheel, name, version)
        kept.mkdir(parents=True, exist_ok=True)
        part = kept / f".{os.getpid()}"
        shutil.copyfile(wheel, part)
        part.rename(kept / wheel.name)
        return kept / wheel.name

    def _fetch(self, name: str, version: str, work: Path) -> tuple[Path, str]:
        """Fetch the sources from the index, and return their path and hash.

        uv finds their address, since it is told that they have no dependencies.
        """
        project = {"name": "fetch", "version": "0", "requires-python": ">=3", "dependencies": [f"{name}=={version}"]}
        told = {"name": name, "version": version, "requires-dist": []}
        settings = {"package": False, "dependency-metadata": [told], "workspace": {"members": []}}
        folder = work / "fetch"
        folder.mkdir()
        (folder / "pyproject.toml").write_text(tomli_w.dumps({"project": project, "tool": {"uv": settings}}), "utf-8")
        code, said = self._uv.run(["lock", "--python", str(self._python)], folder)
        if code:
            raise StageError(f"the sources of {name} {version} can't be found: {words(said, folder)}")
        packages = tomllib.loads((folder / "uv.lock").read_text("utf-8")).get("package", [])
        found: dict[str, Any] = next((package for package in packages if package.get("name") == canonicalize_name(name)), {})
        if not (entry := found.get("sdist")):
            raise StageError(f"the index has no sources of {name} {version}")
        place = entry.get("url") or (folder / entry["path"]).resolve().as_uri()
        sources = work / urllib.parse.unquote(urllib.parse.urlsplit(place).path).rpartition("/")[2]
        digest = _download(place, sources)
        if "hash" in entry and entry["hash"] != f"sha256:{digest}":
            raise StageError(f"the sources of {name} {version} are not those that the index has the hash of")
        return sources, digest

    def _environment(self, requires: list[str], work: Path) -> Interpreter:
        """An environment with what a build needs, from wheels alone."""
        wanted = [project_file.requirement(text, "the build") for text in requires]
        folder = work / "build-environment"
        shutil.rmtree(folder, ignore_errors=True)
        code, said = new_environment(self._uv, work, folder, self._python)
        if not code and wanted:
            code, said = self._uv.run(["pip", "install", "--no-build", "--python", str(folder / "bin" / "python"), *wanted], work)
        if code:
            raise StageError(f"what the build needs can't be installed from wheels: {words(said, work)}")
        return locate(folder)

    def _settings(self, sources: Path) -> dict[str, Any]:
        """Return the build settings in the sources' own `pyproject.toml`.

        The archive is also unpacked and parsed in the sandbox.
        """
        own = locate(Path(os.path.realpath(sys.executable)))
        with self._box(own, sources) as box:
            result = self._run(box, own, {"sources": str(sources), "only": "settings"})
            if not result.ok:
                raise StageError(f"{sources.name} can't be read: {_said(result)}")
            table = _left(box, "settings.json", dict)
        backend, requires = table.get("build-backend"), table.get("requires")
        return {
            "requires": _texts(requires) if isinstance(requires, list) else DEFAULT_REQUIRES,
            "backend": backend if isinstance(backend, str) else DEFAULT_BACKEND,
            "backend_path": _texts(table.get("backend-path")),
        }

    def _build(self, sources: Path, settings: dict[str, Any], made: Interpreter, work: Path) -> tuple[str | list[str], Path | None]:
        """Run the build: a wheel, or what it needs besides, or its words when it failed."""
        with self._box(made, sources) as box:
            result = self._run(box, made, {**settings, "sources": str(sources)})
            if result.exit_code == safe_build.NEEDS_MORE:
                return _texts(_left(box, "requires.json", list)), None
            if not result.ok:
                return _said(result), None
            target = work / "built"
            copied = box.collect("wheels", target, MOST_WHEEL, 10)
        wheels = [target / path for path in copied.files if path.endswith(".whl") and "/" not in path]
        return ("", wheels[0]) if len(wheels) == 1 else ("it left no wheel", None)

    def _box(self, python: Interpreter, sources: Path) -> Box:
        limits = Limits(seconds=max(1.0, self._uv.left), memory=8 * GIBIBYTE, disk=8 * GIBIBYTE)
        return Box(Policy(read_only=(*python.folders, sources), path=(python.scripts,), limits=limits), self._containment)

    def _run(self, box: Box, python: Interpreter, task: dict[str, Any]) -> RunResult:
        script = box.give("build.py", Path(safe_build.__file__).read_text("utf-8"))
        given = box.give("task.json", json.dumps(task))
        result = box.run([python.python, "-I", script, given])
        if result.limit is Limit.TIME:
            raise StageError(
                f"it took more than {self._uv.seconds:g} s, and a package that the index has as sources alone was still being built"
            )
        return result


def _left(box: Box, name: str, kind: type[Any]) -> Any:
    """What a build left as JSON, which may be anything."""
    try:
        value = json.loads(box.read(name, MOST_SETTINGS) or b"null")
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, kind) else kind()


def _said(result: RunResult) -> str:
    words = (result.stdout.text + result.stderr.text).strip()[-2000:]
    return f"{result.reason}\n{words}".strip() or f"exit code {result.exit_code}, signal {result.signal}"


def new_environment(uv: Uv, folder: Path, environment: Path, python: Path) -> tuple[int, str]:
    """Create an empty relocatable environment.

    uv learns about its Python while nothing is in it.
    """
    shutil.rmtree(environment, ignore_errors=True)
    code, said = uv.run(["venv", "--relocatable", "--python", str(python), str(environment)], folder)
    if code:
        return code, said
    with_nothing = environment / "bin"
    return uv.ask(["python", "find", "--no-project", str(with_nothing / "python")], with_nothing)


def _texts(value: Any) -> list[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def _check_name(wheel: Path, name: str, version: str) -> None:
    """Raises StageError unless a wheel is what was to be built."""
    try:
        found, its_version, _, _ = parse_wheel_filename(wheel.name)
        same = found == canonicalize_name(name) and its_version == Version(version)
    except (InvalidWheelFilename, InvalidVersion):
        same = False
    if not same:
        raise StageError(f"the build of {name} {version} left {wheel.name[:200]!r}, which is something else")


def _download(url: str, target: Path) -> str:
    """Download a file from one of the caller's indexes and return its SHA-256.

    The caller's password for that host is used.
    """
    import urllib.error
    import urllib.request  # late: they load TLS, which a check that fetches nothing can do without

    request = urllib.request.Request(url)
    if (credentials := _credentials(url)) is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(':'.join(credentials).encode()).decode()}")
    digest, size = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(request, timeout=DOWNLOAD_SECONDS) as answer, target.open("xb") as file:
            while chunk := answer.read(1 << 20):
                size += len(chunk)
                if size > MOST_SOURCES:
                    raise StageError(f"{target.name} has more than {MOST_SOURCES >> 20} MiB")
                digest.update(chunk)
                file.write(chunk)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise StageError(f"{target.name} can't be fetched from the package index: {error}") from error
    return digest.hexdigest()


def _credentials(url: str) -> tuple[str, str] | None:
    """Name and password for a host, as uv would find them: in the address of an index, or in `.netrc`."""
    host = urllib.parse.urlsplit(url).hostname
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        for given in os.environ.get(variable, "").split():
            index = urllib.parse.urlsplit(given.partition("=")[2] if "=" in given.partition("://")[0] else given)
            if index.hostname == host and index.username:
                return urllib.parse.unquote(index.username), urllib.parse.unquote(index.password or "")
    with suppress(OSError, netrc.NetrcParseError):
        if host and (found := netrc.netrc(os.environ.get("NETRC")).authenticators(host)):
            return found[0], found[2] or ""
    return None
