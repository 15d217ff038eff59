"""A package index of our own, with packages made on the spot: real uv, no network."""

from __future__ import annotations

import functools
import http.server
import io
import json
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gonogo.execution.environment import Environment
from gonogo.execution.uv import Refusal

DEAD = "http://127.0.0.1:9"


class Index:
    """A folder of packages in the layout of PEP 503."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "simple"
        self.folder.mkdir(parents=True)

    def wheel(
        self,
        name: str,
        version: str,
        requires: tuple[str, ...] = (),
        tag: str = "py3-none-any",
        extra: int = 0,
        more: dict[str, str] | None = None,
    ) -> None:
        """Add a wheel with a module of its name (and `extra` bytes), and `more` files."""
        info = f"{name}-{version}.dist-info"
        content = {
            **(more or {}),
            f"{name}.py": f"VERSION = {version!r}\n" + "#" * extra,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            + "".join(f"Requires-Dist: {r}\n" for r in requires),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        content[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*content, f"{info}/RECORD"])
        place = self._folder(name) / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(place, "w") as archive:
            for path, text in content.items():
                archive.writestr(path, text)

    def sdist(self, name: str, version: str, backend: str) -> None:
        """Add a source distribution that is built by a backend of its own: Python code with `build_wheel`."""
        root = f"{name}-{version}"
        content = {
            "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
            "pyproject.toml": f'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "{name}"\nversion = "{version}"\n',
            "backend.py": backend,
        }
        with tarfile.open(self._folder(name) / f"{root}.tar.gz", "w:gz") as archive:
            for path, text in content.items():
                entry = tarfile.TarInfo(f"{root}/{path}")
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(index: Index) -> Iterator[str]:
    """The index behind a URL on the loopback address."""
    handler = functools.partial(_Handler, directory=str(index.folder.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple"
        server.shutdown()
        thread.join()


def project(*dependencies: str, more: str = "", head: str = "") -> dict[str, str]:
    """The files of an experiment with these dependencies."""
    text = f'[project]\nname = "experiment"\nversion = "0.1"\nrequires-python = ">=3.11"\n{head}dependencies = {json.dumps(dependencies)}\n{more}'
    return {"pyproject.toml": text}


def version_of(environment: Environment | Refusal, module: str) -> str:
    """The version of a package that is installed, as its own Python says."""
    assert isinstance(environment, Environment), environment
    command = [str(environment.interpreter.python), "-I", "-c", f"import {module}; print({module}.VERSION)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
