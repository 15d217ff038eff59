"""Looks up the whole table of what libraries have removed in the libraries themselves, each in the version that the table names.

    uv run python -m benchmarks.removed_names

uv installs every version into a cached environment of its own (some gigabytes in all, most of it torch). Exit code 1 if something is there
after all.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
import warnings
from collections import defaultdict
from typing import Any

# What some versions need beside themselves to be imported.
BESIDE = {
    "accelerate": ["torch"],
    "lightgbm": ["numpy<2"],
    "matplotlib": ["numpy"],
    "pandas": ["numpy<2"],
    "peft": ["transformers<4.51", "numpy<2.3"],
    "scikit-image": ["numpy<2.3"],
    "scikit-learn": ["numpy<2.3"],
    "torch": ["numpy<2"],
    "torchvision": ["numpy<2"],
    "transformers": ["torch", "accelerate"],
    "trl": ["transformers<4.56", "torch", "rich", "accelerate"],
}
BESIDE_OLD = {
    ("scikit-learn", "1.2"): ["numpy<2", "scipy<1.12"],
    ("scikit-learn", "1.4"): ["numpy<2", "scipy<1.12"],
    ("scikit-image", "0.22"): ["numpy<2"],
    ("scipy", "1.12"): ["numpy<2"],
}


def find(dotted: str) -> Any:
    """The object that a dotted name stands for.

    Raises:
        ImportError, AttributeError: there is none.
    """
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ImportError(dotted)


def there_after_all(names: list[str], keywords: list[tuple[str, str]]) -> list[str]:
    """Those of the names and arguments that the installed libraries have; a function that is gone itself counts as well."""
    warnings.simplefilter("ignore")
    found = []
    for name in names:
        try:
            find(name)
        except (ImportError, AttributeError):
            continue
        found.append(name)
    for function, keyword in keywords:
        try:
            callee = find(function)
            refused = keyword not in inspect.signature(callee).parameters and _refuses(callee, keyword)
        except (ImportError, AttributeError):
            refused = False
        if not refused:
            found.append(f"{function}({keyword}=)")
    return found


def _refuses(function: Any, keyword: str) -> bool:
    """Whether a call with this argument alone fails for its sake; where it fails for want of others first, the signature has decided."""
    try:
        function(**{keyword: None})
    except TypeError as error:
        return f"unexpected keyword argument '{keyword}'" in str(error) or str(error).startswith("missing a required argument")
    except Exception:
        return False
    return False


def main() -> int:
    """Look everything up; print what is there after all."""
    from gonogo.analysis.project.removed import removals

    names, keywords = removals()
    asked: dict[tuple[str, str], tuple[list[str], list[tuple[str, str]]]] = defaultdict(lambda: ([], []))
    for name, removed in names.items():
        asked[removed.distribution, removed.since][0].append(name)
    for call, removed in keywords.items():
        asked[removed.distribution, removed.since][1].append(call)
    wrong = 0
    for (distribution, since), question in sorted(asked.items()):
        beside = BESIDE_OLD.get((distribution, since), BESIDE.get(distribution, []))
        packages = [f"{distribution}=={since}.*", *beside]
        options = [word for package in packages for word in ("--with", package)]
        command = ["uv", "run", "--quiet", "--no-project", "--python", "3.11", *options, "python", __file__]
        done = subprocess.run(
            command, input=json.dumps(question), capture_output=True, text=True, check=False, env={**os.environ, "CHILD": "1"}
        )
        if done.returncode == 0:
            found = json.loads(done.stdout.splitlines()[-1])
        else:
            found = [f"could not be asked: {done.stderr.strip()[-200:]}"]
        wrong += len(found)
        print(f"{distribution} {since}: {len(question[0]) + len(question[1])} looked up, {len(found)} there after all", *found, flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    if "CHILD" in os.environ:
        print(json.dumps(there_after_all(*json.load(sys.stdin))))
    else:
        sys.exit(main())
