"""Which numbers claim, by their names, to measure how good something is.

Also how much can be concluded from a number that did not move.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from gonogo.analysis.python.modules import Module
from gonogo.rules.watched import names

#: The split that a word of a name speaks of.
SPLITS = {"val": "validation", "valid": "validation", "validation": "validation", "dev": "validation", "train": "training", "test": "test"}
#: Calls that give a number in another form.
WRAPPING = frozenset({"float", "int", "round", "str"})
#: Models that no network hook sees: a score may rightly come from one of them.
_OTHER_MODELS = re.compile(
    r"sklearn\.(linear_model|svm|ensemble|neighbors|tree|naive_bayes|neural_network|dummy|cluster|discriminant_analysis|gaussian_process)"
    r"|xgboost|lightgbm|catboost|statsmodels|jax|tensorflow|keras|mlx"
)
#: What predicts without a network: neighbours, prototypes, closed forms, counts.
_OTHER_PREDICTORS = re.compile(
    r"cdist|knn|neighbou?r|centroid|prototype|lstsq|pinv|linalg|bincount|majority|lookup|retriev|heuristic|rule_based|faiss|similarity|"
    r"dictionary|n_?gram|tfidf|bayes|oracle",
    re.IGNORECASE,
)
_ACCURACY = re.compile(r"acc|accuracy")
_NOT_OF_ONE_ANSWER = re.compile(r"top(?!1$)\w*|k|[2-9]|\d\d+|balanced|macro|class|per|mean|any")
_SCORE = re.compile(
    r"acc|accuracy|loss|err|error|f1|auc|auroc|ap|map|precision|recall|specificity|sensitivity|perplexity|ppl|mse|mae|rmse|r2|iou|dice|bleu|"
    r"rouge|meteor|cider|nll|ece|brier|score|reward|psnr|ssim|fid|mcc|kappa|wer|cer|improvement|gain|gap|difference|delta",
)
#: Words of names whose number is set, counted or quoted, not measured.
_SET = re.compile(
    r"weights?|coef|coefficient|lambda|beta|alpha|gamma|scale|threshold|target|chance|reference|published|paper|goal|min|required|learning|lr|"
    r"margin|smoothing|temperature|step|steps|epoch|epochs|count|num|n|size|patience|tolerance|dim|level|classes|majority|baseline|random|prior|"
    r"naive|dummy|constant|noise|images|samples|budget|interval|clip|clipping|max|bound|correct|tests?"
)
_SETTINGS = {
    "config",
    "settings",
    "hyperparameters",
    "hparams",
    "dataset",
    "model",
    "training",
    "optimizer",
    "args",
    "params",
    "optuna",
    "search",
}
_SETTINGS |= {"optimizer_settings", "best_params", "search_space", "thresholds"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|\d+")
MOST_DENOMINATOR = 128  # of a share of the samples of two batches


def is_score(name: str) -> bool:
    """Return whether a number claims to measure how good something is.

    `val_accuracy` and `a.json: improvement.f1` do, `loss_weight` does not.
    """
    parts = re.split(r"[./: ]+", name)
    if any(part.lower() in _SETTINGS for part in parts[:-1]):
        return False
    words = [word.lower() for word in _WORD.findall(parts[-1])]
    if words[:1] == ["test"]:
        words = words[1:]  # the split, not a count of tests
    is_set = any(_SET.fullmatch(word) for word in words)
    return not is_set and any(_SCORE.fullmatch(word) for word in words)


def is_accuracy(name: str) -> bool:
    """Whether a number claims to be the share of right answers, one answer a row."""
    words = [word.lower() for word in _WORD.findall(re.split(r"[./: ]+", name)[-1])]
    return is_score(name) and any(map(_ACCURACY.fullmatch, words)) and not any(map(_NOT_OF_ONE_ANSWER.fullmatch, words))


def fits_others(modules: Mapping[str, Module]) -> bool:
    """Whether the code imports models that no network hook sees."""
    return any(_OTHER_MODELS.search(module.text) for module in modules.values())


def predicts_otherwise(modules: Mapping[str, Module]) -> bool:
    """Whether the code may predict without a network."""
    return fits_others(modules) or names(modules, _OTHER_PREDICTORS)


def is_share(value: float) -> bool:
    """Return whether a number may be a share of few samples, or a whole number.

    Two such numbers are often the same by chance.
    """
    for scale in (1, 100):
        share = value / scale
        if abs(share - Fraction(share).limit_denominator(MOST_DENOMINATOR)) <= 1.2e-7 * abs(share):  # single precision
            return True
    return False
