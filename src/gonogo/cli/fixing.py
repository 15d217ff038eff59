"""`gonogo fix`: mends an experiment, tells what it did, and writes the files."""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import os
import shutil
import tempfile
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.cli.options import STDIN
from gonogo.compose.client import Composer
from gonogo.engine.fixing import Mended, mend
from gonogo.engine.pipeline import check
from gonogo.model import experiment as experiments
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import UsageError
from gonogo.model.experiment import BUNDLE_PATHS, BUNDLE_RUN_KEYS, Experiment
from gonogo.model.finding import Finding, Severity
from gonogo.report import plain


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        path: folder or bundle.
        plan: file of the plan.
        diff: show the edits and write nothing.
        unsafe: make edits that change what the code does, too.
    """

    path: str
    plan: str | None
    diff: bool
    unsafe: bool


def run(wanted: Wanted, options: CheckOptions) -> int:
    """Mend an experiment; the exit code is that of the verdict on what it is then.

    Raises:
        UsageError: there is no experiment, or a file can't be written.
    """
    if wanted.path == STDIN:
        raise UsageError("A bundle on standard input can't be mended in place: give a file or a folder.")
    plan = plans.load(Path(wanted.plan)) if wanted.plan is not None else None
    experiment = experiments.load(wanted.path, plan)
    with Composer() as composer:
        mended = mend(experiment, lambda each: check(each, options, composer), wanted.unsafe)
    if wanted.diff:
        for path in sorted(mended.texts):
            print("".join(_diff(path, experiment.text(path) or "", mended.texts[path])), end="")
    elif mended.texts:
        _write(experiment, Path(wanted.path), mended.texts)
    _tell(mended, wanted)
    return mended.after.outcome.exit_code


def _tell(mended: Mended, wanted: Wanted) -> None:
    if not wanted.diff:
        made = list(dict.fromkeys(line for finding in mended.made for line in _lines(finding)))
        # What did not help in one round may have been made in another, beside other edits.
        back = dict.fromkeys(line for finding in mended.taken_back for line in _lines(finding) if line not in made)
        for text in [*(f"fixed: {line}" for line in made), *(f"taken back, for it did not help: {line}" for line in back)]:
            print(plain.line(text))
    counts = ", ".join(
        f"{mended.before.count(severity)} -> {mended.after.count(severity)} {severity}s" for severity in (Severity.ERROR, Severity.WARNING)
    )
    count = len(mended.texts)
    files = f"{count or 'no'} file{'' if count == 1 else 's'} {'would be ' if wanted.diff else ''}changed"
    told = f"{mended.before.outcome} -> {mended.after.outcome}: {counts}; {files}"
    if mended.unsafe:
        told += f"; {mended.unsafe} more with --unsafe, which may change what the code does"
    print(told)


def _lines(finding: Finding) -> Iterator[str]:
    assert finding.fix is not None
    for change in finding.fix.changes:
        yield f"{change.location}: {finding.rule} {finding.fix.what}"


def _diff(path: str, old: str, new: str) -> Iterator[str]:
    lines = difflib.unified_diff(_kept(old), _kept(new), f"a/{path}", f"b/{path}")
    for line in lines:
        yield plain.block(line) if line.endswith("\n") else f"{plain.block(line)}\n\\ No newline at end of file\n"


def _kept(text: str) -> list[str]:
    return io.StringIO(text).readlines()


def _write(experiment: Experiment, path: Path, texts: dict[str, str]) -> None:
    """Write the new texts, each file whole or not at all, and none if one can't be written.

    Raises:
        UsageError: one can't be written, or has changed meanwhile.
    """
    try:
        if experiment.is_bundle:
            data = {path: _bundle(path, texts)}
        else:
            data = {(path / name).resolve(): _bytes(path / name, experiment.text(name) or "", text) for name, text in texts.items()}
        with contextlib.ExitStack() as stack:
            parts = [(stack.enter_context(_part(target, content)), target) for target, content in data.items()]
            for part, target in parts:
                part.replace(target)
    except OSError as error:
        raise UsageError(f"{error.filename or path} can't be written: {error.strerror or error}.") from error


@contextlib.contextmanager
def _part(target: Path, content: bytes) -> Iterator[Path]:
    """A file beside the target, with the new content and the target's mode."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        shutil.copymode(target, name)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _bytes(path: Path, old: str, new: str) -> bytes:
    """The new text in the file's own encoding.

    Raises:
        UsageError: the file does not hold the old text any more.
    """
    data = path.read_bytes()
    encoding = "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
    if path.suffix == ".py":
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    if old.encode(encoding, "strict") != data:
        raise UsageError(f"{path} has changed since it was read: run gonogo fix again.")
    return new.encode(encoding)


def _bundle(path: Path, texts: dict[str, str]) -> bytes:
    """The bundle with the new texts in place of the old ones, its other keys and their order kept."""
    bundle: dict[str, Any] = json.loads(path.read_text("utf-8-sig"))
    keys = {name: key for key, name in BUNDLE_PATHS.items()}
    for name, text in texts.items():
        if name in keys:
            bundle[keys[name]] = text
        else:
            _set_run(bundle, name.removeprefix("config/run/").removesuffix(".yaml"), text)
    return (json.dumps(bundle, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def _set_run(bundle: dict[str, Any], run: str, text: str) -> None:
    for key in BUNDLE_RUN_KEYS:
        found = bundle.get(key)
        if isinstance(found, dict) and run in found:
            found[run] = text
        for entry in found if isinstance(found, list) else ():
            if entry.get("run_id") == run:
                entry["config_yaml"] = text
