"""STR102."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from gonogo.model.contract import Contract
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, at, quoted, rule

MOST_SINGLE = 5


@rule("STR102", "extra-file", criterion=5, severity=Severity.ERROR, stage=Stage.CHECK)
def extra_file(experiment: Experiment, contract: Contract) -> Iterator[Violation]:
    """A file that the contract does not list.

    What it does:
        Looks for files that are neither required, nor run configs, nor among the leftovers that the contract tolerates.
        A folder with more than five of them is reported once.

    Why it matters:
        The contract lists all the files that are kept, reviewed and run: whatever stands in another file is lost or escapes the review.

    Instead:
        Move the code into the file whose task it is and delete this one; `src/__init__.py` is not needed to run `python -m src.main`.
    """
    plan_path = experiment.plan.path if experiment.plan else None
    allowed, extra = set[str](), list[str]()
    for path in sorted(experiment.files):
        is_listed = path in contract.files.required or path == plan_path
        if is_listed or contract.is_tolerated(path) or contract.run_id_of(path) is not None:
            allowed.update(str(folder) for folder in PurePosixPath(path).parents)
        else:
            extra.append(path)
    groups: dict[str, list[str]] = {}
    for path in extra:
        groups.setdefault(_folder(path, allowed), []).append(path)
    action = "move what the runs need into the files of the contract and delete the rest"
    for folder, paths in groups.items():
        if len(paths) > MOST_SINGLE and folder != ".":
            names = [PurePosixPath(path).relative_to(folder).as_posix() for path in paths]
            message = f"the folder `{folder}` holds {len(paths)} files that the contract does not list"
            yield Violation(at(folder), message, action, evidence=", ".join(quoted(names)))
        else:
            for path in paths:
                yield Violation(at(path), f"`{path}` is not among the contract's files", action)


def _folder(path: str, allowed: set[str]) -> str:
    """Return the outermost folder of a path that holds nothing but extra files.

    It is the file's own folder where there is none.
    """
    folders = [str(folder) for folder in PurePosixPath(path).parents]
    return next((folder for folder in reversed(folders) if folder not in allowed and folder != "."), folders[0])


BAD = [
    Tree({"src/utils.py": "SEED = 0\n"}, at="src/utils.py"),
    Tree({"src/__init__.py": ""}, at="src/__init__.py"),
    Tree({f"notebooks/part{number}.ipynb": "{}" for number in range(6)}, at="notebooks"),
]
GOOD = Tree(
    {
        ".gitignore": ".cache/\n",
        "config/.gitkeep": "",
        ".pre-commit-config.yaml": "repos: []\n",
        ".vscode/settings.json": "{}",
        "uv.lock": "",
        "README.md": "# Digits\n",
        "plan.yaml": "runs: [{run_id: a}]\n",
    }
)
