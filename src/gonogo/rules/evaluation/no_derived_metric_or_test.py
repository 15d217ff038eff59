"""EVA105."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, text_of
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.places import main_place

# What any significance test or interval, by whatever library or by hand, cannot do without a word of.
TEST = re.compile(
    r"(?<![a-z])(?:t_?test\w*|wilcoxon|mann_?whitney|mcnemar|kruskal|friedman|anova|oneway|binom\w*|chi2|fisher|permut\w*|boot\w*|resampl\w*"
    r"|ks_2samp|p_?val(?:ue)?s?|significan\w*|signif|confidence_(?:interval|level|bound)\w*|conf_int|cohen|z_?test|bayes\w*|statsmodels"
    r"|pingouin|brunner\w*|stat_test|sem|ci|credible)(?![a-z])"
    r"|(?<!log_)(?<!save_)(?<!eval_)(?<!print_)(?<!tick_)(?<!time_)(?<![a-z])intervals?(?![a-z])",
    re.IGNORECASE,
)
# What a comparison of a method with a baseline cannot do without a word of.
DERIVED = re.compile(r"improv|gain|gap|delta|diff|relative|lift|reduc|speed_?up|ratio|better|margin|advantage|versus|change", re.IGNORECASE)
LONGEST = 60
_TESTING = "test the difference over what is paired: images, folds or seeds"


@rule("EVA105", "no-derived-metric-or-test", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def no_derived_metric_or_test(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The evaluation compares nothing: no improvement rate, no significance test.

    What it does:
        Looks through the evaluation, and what it imports from the project, for any word that a significance test or an interval cannot do
        without (a whole word of a name: `best_prop_value` has none), and for any word of a difference between a method and its baseline.
        Only the absence of every such word is reported. A contract may ask for the difference alone: then a missing test is a warning.

    Why it matters:
        Two numbers side by side do not say whether one method is better, and the contract asks for both.

    Instead:
        Write the improvement of the proposed method over each baseline, and a paired test over images or seeds.
    """
    module = modules.get(module_path(contract.evaluation.module))
    if module is None or not module.definitions or not contract.evaluation.arguments or not all_parsed(modules):
        return
    read = [module, *(other for other in modules.values() if other.name in _imports(module))]
    words = {word for other in read for word in _words(other)}
    missing = [
        (what, action)
        for what, sign, action in (
            ("no improvement over a baseline", DERIVED, "write the improvement of the proposed method over each baseline"),
            ("no significance test", TEST, _TESTING),
        )
        if not any(sign.search(_spread(word)) for word in words)
    ]
    if missing:
        yield Violation(
            main_place(modules, module.path),
            f"evaluation computes {' and '.join(what for what, _ in missing)}",
            "; ".join(action for _, action in missing),
            severity=None if contract.evaluation.significance or missing[0][1] is not _TESTING else Severity.WARNING,
        )


def _imports(module: Module) -> set[str]:
    return {name.rpartition(".")[0] for name in module.imports.values()} | set(module.imports.values())


def _spread(word: str) -> str:
    """A name with underscores between its words: `pValue` becomes `p_Value`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word)


def _words(module: Module) -> Iterator[str]:
    yield from module.imports.values()
    for node in module.of(ast.Name, ast.Attribute, ast.Constant, ast.FunctionDef, ast.keyword, ast.arg):
        if isinstance(node, ast.Constant):
            text = text_of(node) or ""
            yield text if len(text) < LONGEST else ""  # sentences for people, docstrings above all, compute nothing
        else:
            yield (
                getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None) or getattr(node, "arg", None) or ""
            )


_BEST = '    best_prop_value = max(run["test_accuracy"] for run in runs)\n    print("best:", best_prop_value)\n'
BAD = Tree(
    {
        "src/evaluate.py": (
            Edit("    table = pd.DataFrame(runs)", f"{_BEST}    table = pd.DataFrame(runs)"),
            Edit("from scipy.stats import binomtest\n", ""),
            Edit("    p_value = float(binomtest(only_proposed, disagreements).pvalue) if disagreements else 1.0\n", ""),
            Edit('        "mcnemar_p_value": p_value,\n', ""),
            Edit('    """Return the improvement rate and McNemar\'s exact test over the test images, which both runs share."""\n', ""),
            Edit("def main() -> None:", "def main() -> None:  # <- here"),
        )
    }
)
GOOD = Tree({"src/evaluate.py": Edit('        "mcnemar_p_value": p_value,\n', '        "p": p_value,\n')})
