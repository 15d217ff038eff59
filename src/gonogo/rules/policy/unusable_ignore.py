"""POL101."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.ignores import find_ignores
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, all_rules, rule


@rule("POL101", "unusable-ignore", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def unusable_ignore(experiment: Experiment) -> Iterator[Violation]:
    """A comment that asks to ignore a finding, but not so that it counts.

    What it does:
        Reads the comments `# gonogo: ignore[…]` of Python, YAML and TOML files: one that names no rule, a rule that does not exist, or
        gives no reason is reported, and excuses nothing.

    Why it matters:
        Whoever wrote it believes that the finding is excused; without a reason nobody can tell later whether it still should be.

    Instead:
        Name the rule and say why, on the line of the finding: `# gonogo: ignore[HYD104] the launcher adds this key`.
    """
    known = {name for entry in all_rules().values() for name in (entry.id, entry.slug)}
    for file in experiment.with_suffix(".py", ".pyi", ".yaml", ".yml", ".toml"):
        for entry in find_ignores(file.path, file.text or ""):
            problem = entry.problem(known)
            if problem is not None:
                action = "write `# gonogo: ignore[ID] reason`, with an id that `gonogo rules` lists"
                yield Violation(entry.location, f"the comment excuses nothing: {problem}", action)


_IMPORT = "import torch\n"
BAD = [
    Tree({"src/model.py": Edit(_IMPORT, "import torch  # gonogo: ignore[ENV102]  # <- here\n")}),
    Tree({"config/config.yaml": Edit("trial_mode: false", "trial_mode: false  # gonogo: ignore[XYZ999] no such rule  # <- here")}),
    Tree({"pyproject.toml": Edit('version = "0.1.0"', 'version = "0.1.0"  # gonogo: ignore because it is right  # <- here')}),
]
GOOD = [
    Tree({"src/model.py": Edit(_IMPORT, "import torch  # gonogo: ignore[ENV102] comes with the image\n")}),
    Tree({"config/config.yaml": Edit("trial_mode: false", 'trial_mode: false\nlabel: "# gonogo: ignore"')}),
]
