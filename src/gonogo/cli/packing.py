"""`gonogo pack` and `gonogo unpack`."""

from __future__ import annotations

import sys
from pathlib import Path

from gonogo.model import bundle as bundles
from gonogo.model import experiment as experiments
from gonogo.model import plan as plans
from gonogo.model.errors import UsageError
from gonogo.report import plain


def pack(path: str, plan: Path | None, output: Path | None) -> int:
    """Write a folder as a bundle, to a file or to standard output.

    Raises:
        UsageError: the folder does not fit into a bundle.
    """
    if not Path(path).is_dir():
        raise UsageError(f"There is no folder {path}: give the folder of an experiment.")
    bundle, left = bundles.to_bundle(experiments.load(path, plans.load(plan) if plan else None))
    text = plain.to_json(bundle, indent=2) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, "utf-8")
    if left:
        print(plain.line(f"left out, for they are no sources: {', '.join(left)}"), file=sys.stderr)
    return 0


def unpack(bundle: str, folder: Path) -> int:
    """Write the files of a bundle into a folder.

    Raises:
        UsageError: it is no bundle, or the folder is not empty.
    """
    if Path(bundle).is_dir():
        raise UsageError(f"{bundle} is a folder: give a bundle, which is a JSON file, or - for standard input.")
    experiment = experiments.load(bundle)
    for path in bundles.to_folder(experiment, folder):
        print(plain.line(str(folder / path)))
    for note in experiment.notes:
        print(plain.line(note), file=sys.stderr)
    return 0
