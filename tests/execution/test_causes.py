"""Failures that may not be the experiment's: told apart by what was raised, where, and what the code says there."""

from __future__ import annotations

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.execution.causes import cut_unevenly, excuse, fails_for_any_runs, may_be_for_bounds, refuses
from gonogo.execution.observations import Process, RunSeen, SessionSeen, Tracked
from gonogo.execution.probe.gonogo_probe import events
from gonogo.execution.probe.gonogo_probe.events import Raised
from gonogo.model.contract import Contract, load
from gonogo.rules.observed import cleaned, failures

CODE = """\
def check(accuracy, name, known):
    if accuracy < 0.8:
        raise RuntimeError("the source model is too weak")
    if name not in known:
        raise ValueError(f"unknown method {name}")
    assert accuracy <= 1
    return open("labels.json")
"""
MODULES = {"src/train.py": Module("src/train.py", CODE)}
CONTRACT = load("trial-mode")


def run(*, hosts: list[str] | None = None, unreachable: list[str] | None = None, late: bool = False) -> RunSeen:
    process = Process(1, 0, [], hosts=hosts or [], unreachable=[events.Unreachable(name) for name in unreachable or []])
    return RunSeen("a", tree="/box/tree", late=late, ended=True, code=1, processes={1: process})


def test_missing_column_of_a_copy_is_no_fault() -> None:
    seen = run()
    seen.processes[1].unreachable.append(events.Unreachable("datasets.load_dataset", "a/imdb", assumed="imdb"))
    assert "taken for a copy of imdb" in excuse(raised("KeyError", "'review'", own=False, line=7), seen, MODULES)
    assert "taken for a copy" in excuse(raised("ValueError", "Column name ['x'] not in the dataset", own=False, line=7), seen, MODULES)
    assert excuse(raised("RuntimeError", "stack expects each tensor to be equal size", own=False, line=7), seen, MODULES) == ""
    assert excuse(raised("KeyError", "'review'", own=False, line=7), run(), MODULES) == ""


def raised(kind: str, message: str, line: int = 3, own: bool = True) -> list[Raised]:
    return [Raised(kind, "builtins", message, [("src/train.py", line, "check")], own)]


def test_own_check_of_a_number_may_fail_on_two_batches() -> None:
    assert "accuracy < 0.8" in excuse(raised("RuntimeError", "too weak"), run(), MODULES)
    assert "accuracy <= 1" in excuse(raised("AssertionError", "", line=6), run(), MODULES)


def test_division_by_a_number_of_two_batches_is_no_fault() -> None:
    assert "ZeroDivisionError at src/train.py:7" in excuse(raised("ZeroDivisionError", "float division by zero", line=7), run(), MODULES)


@pytest.mark.parametrize(
    "message",
    [
        "x and y must have length at least 2.",
        "Need at least two observations",
        "Cannot have number of splits n_splits=5 greater than the number of samples: n_samples=2 should be more",
        "Only one class present in y_true. ROC AUC score is not defined in that case.",
        "The least populated class in y has only 1 member, which is too few.",
    ],
)
def test_a_library_that_wants_more_values_is_no_fault(message: str) -> None:
    assert "so few values" in excuse(raised("ValueError", message, own=False, line=7), run(), MODULES)
    assert excuse(raised("ValueError", message, own=True, line=5), run(), MODULES) == ""
    assert excuse(raised("ValueError", "x and y must have the same length", own=False, line=7), run(), MODULES) == ""


def test_refusal_is_told_from_a_crash() -> None:
    assert refuses(raised("RuntimeError", "too weak"), MODULES)
    assert not refuses(raised("KeyError", "accuracy", line=7), MODULES)
    assert not refuses(raised("KeyError", "accuracy", line=3, own=False), MODULES)
    assert not refuses(raised("KeyError", "accuracy", line=99), MODULES)
    assert not refuses(None, MODULES)


def test_own_check_of_a_name_does_not_depend_on_how_much_was_run() -> None:
    assert excuse(raised("ValueError", "unknown method x", line=5), run(), MODULES) == ""


@pytest.mark.parametrize(
    ("kind", "message", "own", "is_fault"),
    [
        (
            "RuntimeError",
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! (in add)",
            False,
            True,
        ),
        ("KeyError", "'labels'", True, True),
        ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (4x8 and 6x2)", False, True),
        ("AttributeError", "'types.SimpleNamespace' object has no attribute 'warp_size'", True, False),
        ("RuntimeError", "expected scalar type Half but found Float", False, False),
        ("ValueError", "no such thing", False, False),
    ],
)
def test_on_a_pretended_accelerator_only_what_fails_on_a_real_one_is_a_fault(kind: str, message: str, own: bool, is_fault: bool) -> None:
    seen = run()
    assert excuse(raised(kind, message, own=own, line=5), seen, MODULES) == ""
    seen.pretended = True
    assert ("pretended accelerator" in excuse(raised(kind, message, own=own, line=5), seen, MODULES)) is not is_fault


def test_connection_that_fails_is_no_fault_where_the_network_was_wanted() -> None:
    chain = raised("ConnectionError", "Max retries exceeded", own=False)
    assert "huggingface.co" in excuse(chain, run(hosts=["huggingface.co"]), MODULES)
    assert excuse(chain, run(), MODULES) == ""


def test_other_failure_is_a_fault_although_the_network_was_wanted_before() -> None:
    assert excuse(raised("TypeError", "bad operand", own=False), run(hosts=["huggingface.co"]), MODULES) == ""


@pytest.mark.parametrize(
    "message",
    [
        "cannot import name 'x' from 'hydra.utils' (/home/me/.cache/env/lib/python3.11/site-packages/hydra/utils.py)",
        'Caught KeyError in DataLoader worker process 0.\n  File "/home/me/env/lib/python3.11/site-packages/torch/worker.py", line 3',
        'Caught KeyError in DataLoader worker process 0.\n  File "/home/me/.cache/en',
        "Command '['/home/me/env/bin/python', '-m', 'src.train']' returned non-zero exit status 1.",
    ],
)
def test_path_of_the_environment_is_no_excuse(message: str) -> None:
    assert excuse(raised("RuntimeError", message, line=7, own=False), run(), MODULES) == ""


@pytest.mark.parametrize(
    "message",
    ["[Errno 2] No such file or directory: '/datasets/CIFAR-10-C/fog.npy'", ".cache/waves/train.npy is missing", "No file data/train.csv"],
)
def test_data_that_are_elsewhere_are_no_fault(message: str) -> None:
    assert "it needs" in excuse(raised("FileNotFoundError", message, line=7, own=False), run(), MODULES)


@pytest.mark.parametrize("message", ["[Errno 2] No such file or directory: 'labels.json'", "No such file: '/box/tree/labels.json'"])
def test_file_that_nobody_ships_is_a_fault(message: str) -> None:
    assert excuse(raised("FileNotFoundError", message, line=7, own=False), run(), MODULES) == ""


def test_time_that_was_up_is_no_fault() -> None:
    assert excuse(None, run(late=True), MODULES) == "its time was up"


def test_failure_that_no_probe_saw_has_no_excuse() -> None:
    assert excuse(None, run(hosts=["x"]), MODULES) == ""


@pytest.mark.parametrize(
    "message",
    [
        "[Errno 30] Read-only file system: '/box/tree/src/train.py'",
        "[Errno 30] Read-only file system: 'src/train.py'",
        "[Errno 16] Device or resource busy: 'src/train.py' -> 'src/old.py'",
    ],
)
def test_write_to_its_own_code_is_no_fault(message: str) -> None:
    assert "it writes src/train.py, which is part of the code under review" in excuse(raised("OSError", message, own=False), run(), MODULES)


def test_write_elsewhere_that_is_refused_is_not_that() -> None:
    assert "code under review" not in excuse(raised("OSError", "[Errno 30] Read-only file system: '/data/x'", own=False), run(), MODULES)


def test_system_call_that_the_sandbox_refuses_is_no_fault() -> None:
    assert "may refuse" in excuse(raised("OSError", "[Errno 97] Address family not supported by protocol", own=False), run(), MODULES)
    assert excuse(raised("PermissionError", "[Errno 1] Operation not permitted: 'x'", own=False), run(), MODULES) == ""


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("AssertionError", "Torch not compiled with CUDA enabled"),
        ("RuntimeError", "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver"),
        ("RuntimeError", "No CUDA GPUs are available"),
        ("RuntimeError", "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. Use map_location"),
        ("RuntimeError", "\"LayerNormKernelImpl\" not implemented for 'Half'"),
        ("ValueError", "fp16 mixed precision requires a GPU (not 'cpu')."),
        ("ValueError", "Your setup doesn't support bf16/gpu. You need Ampere+ GPU with cuda>=11.0"),
        ("RuntimeError", "No GPU found. A GPU is needed for quantization."),
        ("ImportError", "Using `bitsandbytes` 4-bit quantization requires the latest version of bitsandbytes"),
        ("ImportError", "FlashAttention2 has been toggled on, but the package flash_attn seems to be not installed."),
        ("RuntimeError", "FlashAttention only support fp16 and bf16 data type"),
        ("RuntimeError", "Distributed package doesn't have NCCL built in"),
        ("RuntimeError", "0 active drivers ([]). There should only be one."),
        ("ModuleNotFoundError", "No module named 'triton'"),
    ],
)
def test_want_of_an_accelerator_is_no_fault(kind: str, message: str) -> None:
    assert "an accelerator (src/train.py:7)" in excuse(raised(kind, message, line=7, own=False), run(), MODULES)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (16x64 and 32x10)"),
        ("RuntimeError", "\"nll_loss_forward_reduce_cuda_kernel_2d_index\" not implemented for 'Int'"),
        ("ValueError", "Attempting to unscale FP16 gradients."),
        ("TypeError", "forward() got an unexpected keyword argument 'device'"),
        ("ModuleNotFoundError", "No module named 'src.models'"),
        ("KeyError", "'cuda'"),
        ("RuntimeError", "stack expects each tensor to be equal size, but got [12] at entry 0 and [9] at entry 1"),
    ],
)
def test_other_failures_have_nothing_to_do_with_an_accelerator(kind: str, message: str) -> None:
    assert excuse(raised(kind, message, line=7, own=False), run(), MODULES) == ""


def test_own_error_of_another_type_is_no_want_of_an_accelerator() -> None:
    assert excuse(raised("KeyError", "CUDA is not available", line=7), run(), MODULES) == ""
    assert "an accelerator" in excuse(raised("RuntimeError", "CUDA is not available", line=7), run(), MODULES)


def lowered(chain: list[Raised] | None, *, late: bool = False, bounded: bool = True) -> RunSeen:
    seen = run(late=late)
    seen.processes[1].bounded = {"training.epochs": (10, 1)} if bounded else {}
    seen.processes[1].failures = [chain] if chain else []
    return seen


@pytest.mark.parametrize(
    ("kind", "message", "again"),
    [
        ("ValueError", "n_splits=5 cannot be greater than the number of members in each class", True),
        ("ZeroDivisionError", "division by zero", True),
        ("RuntimeError", "Expected more than 1 value per channel when training", True),
        ("UnboundLocalError", "cannot access local variable 'val_accuracy'", True),
        ("KeyError", "'val_accuracy'", True),
        ("IndexError", "list index out of range", True),
        ("ModuleNotFoundError", "No module named 'src.models'", False),
        ("NameError", "name 'nn' is not defined", False),
        ("ConfigAttributeError", "Key 'lr' is not in struct", False),
        ("TypeError", "build_model() got an unexpected keyword argument 'dropout'", False),
        ("TypeError", "__init__() missing 1 required positional argument: 'size'", False),
        ("RuntimeError", "No CUDA GPUs are available", False),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'data/train.csv'", False),
    ],
)
def test_only_what_may_be_for_a_lowered_config_is_run_again(kind: str, message: str, again: bool) -> None:
    chain = raised(kind, message, line=7, own=False)
    assert may_be_for_bounds(lowered(chain)) is again
    assert not may_be_for_bounds(lowered(chain, late=True))
    assert not may_be_for_bounds(lowered(chain, bounded=False))


def cut(batches: int, length: int | None, size: int = 64, rows: int | None = 1000) -> RunSeen:
    seen = lowered(None, bounded=False)
    seen.processes[1].loaders = {0: events.Loader(("train.py", 9), size, 1, [batches], [], length=length, rows=rows)}
    return seen


@pytest.mark.parametrize(
    ("kind", "message", "excused"),
    [
        ("ValueError", "operands could not be broadcast together with shapes (256,) (1000,)", True),
        ("RuntimeError", "The size of tensor a (256) must match the size of tensor b (1000) at non-singleton dimension 0", True),
        ("ValueError", "Found input variables with inconsistent numbers of samples: [256, 1000]", True),
        ("AssertionError", "256 rows of 1000", True),
        ("RuntimeError", "The size of tensor a (10) must match the size of tensor b (64) at non-singleton dimension 1", False),
        ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (256x64 and 32x10)", False),
        ("KeyError", "256", False),
    ],
)
def test_lengths_that_do_not_fit_are_no_fault_where_one_is_that_of_a_cut_pass(kind: str, message: str, excused: bool) -> None:
    chain = raised(kind, message, line=7, own=False)
    assert bool(excuse(chain, cut(4, 16), MODULES)) is excused
    for whole in (cut(16, 16), cut(4, None), cut(4, 4)):
        assert excuse(chain, whole, MODULES) == ""


def test_what_fails_after_a_pass_was_cut_is_run_again() -> None:
    chain = raised("IndexError", "index 217 is out of bounds for dimension 0 with size 4", line=7, own=False)
    for seen, again in ((cut(4, 16), True), (cut(16, 16), False), (cut(4, None), False)):
        seen.processes[1].failures = [chain]
        assert not may_be_for_bounds(seen)  # of runs that are compared the passes are cut alike, the second time too
        seen.is_any_program = True
        assert may_be_for_bounds(seen) is again


def test_failure_that_nobody_saw_is_run_again() -> None:
    assert may_be_for_bounds(lowered(None))


def test_failure_of_a_lowered_config_says_nothing_where_its_own_took_too_long() -> None:
    seen = run()
    seen.unsettled = "its time was up with its own config"
    assert "its own config" in excuse(raised("ValueError", "x", line=7), seen, MODULES)


def test_evidence_has_no_escape_codes_and_no_frames_of_the_probe() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "src/train.py", line 3, in <module>\n    fit()\n'
        '  File "/opt/gonogo/execution/probe/gonogo_probe/watchers/search.py", line 44, in objective\n    value = func(trial)\n'
        "            ^^^^^^^^^^^\n"
        '  File "src/train.py", line 9, in fit\n    1 / 0\n'
        "\x1b[31mZeroDivisionError\x1b[0m: division by zero\n"
    )
    assert cleaned(text) == (
        'Traceback (most recent call last):\n  File "src/train.py", line 3, in <module>\n    fit()\n'
        '  File "src/train.py", line 9, in fit\n    1 / 0\nZeroDivisionError: division by zero\n'
    )


@pytest.mark.parametrize(
    ("kind", "message", "lent", "name"),
    [
        ("ModuleNotFoundError", "No module named 'peft'", True, "`peft`"),
        ("ModuleNotFoundError", "No module named 'flash.attention'", True, "`flash`"),
        ("ModuleNotFoundError", "No module named 'peft'", False, ""),
        ("ModuleNotFoundError", "No module named 'src.models'", True, ""),
        ("ModuleNotFoundError", "No module named 'train'", True, ""),
        ("ImportError", "cannot import name 'x' from 'peft'", True, ""),
        (
            "RuntimeError",
            "TensorBoardCallback requires tensorboard to be installed. Either update or install tensorboardX.",
            True,
            "tensorboard",
        ),
        ("ValueError", "Please install sentencepiece to use this tokenizer", True, "sentencepiece"),
        ("OSError", "xformers is not installed, run `pip install xformers`", True, "xformers"),
        ("RuntimeError", "TensorBoardCallback requires tensorboard to be installed", False, ""),
        ("RuntimeError", "the hook was installed twice", True, ""),
    ],
)
def test_package_that_a_given_environment_lacks_is_no_fault(kind: str, message: str, lent: bool, name: str) -> None:
    seen = run()
    seen.lent = lent
    found = excuse(raised(kind, message, line=7, own=False), seen, MODULES)
    assert name in found if name else found == ""


def test_exit_for_a_child_that_failed_tells_what_the_child_said(trial_contract: Contract) -> None:
    seen = run()
    seen.processes[1].failures = [raised("SystemExit", "1", line=7)]
    seen.output = [("stderr", "python: Error while finding module specification for 'src.train'")]
    (alone,) = failures([seen], MODULES, trial_contract, "src.train")
    assert "src.train'" not in alone.message
    seen.processes[1].children = [events.Child("python -m src.train")]
    (found,) = failures([seen], MODULES, trial_contract, "src.train")
    assert found.message.endswith("had said: python: Error while finding module specification for 'src.train'")


@pytest.fixture
def trial_contract() -> Contract:
    return load("trial-mode")


@pytest.mark.parametrize(
    ("raised_by_parent", "last"),
    [
        (
            "CalledProcessError",
            'Error executing job with overrides: []\nTraceback (most recent call last):\n  File "src/main.py"\nCalledProcessError: x',
        ),
        ("CalledProcessError", 'Traceback (most recent call last):\n  File "src/main.py"\nCalledProcessError: x'),
        ("SystemExit", ""),
    ],
)
def test_evidence_is_what_the_child_said(raised_by_parent: str, last: str) -> None:
    theirs = "Traceback (most recent call last):\n  File \"src/train.py\"\nKeyError: 'loss'"
    advice = "\nSet the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace."
    parent = run()
    parent.processes[1].children = [events.Child("python -m src.train")]
    parent.processes[1].failures = [raised(raised_by_parent, "1", line=7)]
    parent.output = [("stderr", line) for line in f"{theirs}{advice}\n{last}{advice}".split("\n")]
    (violation,) = failures([parent], MODULES, CONTRACT, "src.main")
    assert violation.evidence == theirs
    assert violation.message.endswith("after a program that it started had said: KeyError: 'loss'")
    parent.processes[2] = Process(2, 1, [], failures=[raised("KeyError", "'loss'", line=7)], started=9.0)
    (violation,) = failures([parent], MODULES, CONTRACT, "src.main")
    assert violation.evidence == theirs and violation.message == "it ends with KeyError: 'loss'"


def test_error_of_a_child_that_said_nothing() -> None:
    parent = run()
    parent.processes[1].failures = [raised("CalledProcessError", "1", line=7)]
    parent.output = [("stderr", "CalledProcessError: 1")]
    (violation,) = failures([parent], MODULES, CONTRACT, "src.main")
    assert violation.evidence == "CalledProcessError: 1"


@pytest.mark.parametrize(
    ("kind", "message", "always"),
    [
        ("ImportError", "cannot import name 'x' from 'scipy'", True),
        ("NameError", "name 'np' is not defined", True),
        ("SystemExit", "2", True),
        ("SystemExit", "1", False),
        ("AttributeError", "module 'scipy.stats' has no attribute 'ttest'", True),
        ("AttributeError", "'NoneType' object has no attribute 'summary'", False),
        ("TypeError", "plot() got an unexpected keyword argument 'runs'", True),
        ("TypeError", "unsupported operand type(s) for -: 'NoneType' and 'float'", False),
        ("KeyError", "'baseline'", False),
        ("ValueError", "need two runs", False),
    ],
)
def test_evaluation_that_fails_whatever_runs_there_are(kind: str, message: str, always: bool) -> None:
    assert fails_for_any_runs(raised(kind, message, line=7)) is always
    assert not fails_for_any_runs(None)


@pytest.mark.parametrize(
    ("message", "first", "second", "excused"),
    [
        ("zip() argument 2 is longer than argument 1", "10" * 64, "10" * 180, True),
        ("All arrays must be of the same length", [1.0] * 128, [1.0] * 360, True),
        ("operands could not be broadcast together with shapes (128,) (360,)", [1.0] * 128, [1.0] * 360, True),
        ("zip() argument 2 is longer than argument 1", "10" * 64, "10" * 64, False),
        ("no improvement", "10" * 64, "10" * 180, False),
    ],
)
def test_lengths_that_differ_by_cut_loaders_are_no_fault_of_the_evaluation(
    message: str, first: object, second: object, excused: bool
) -> None:
    evaluation = RunSeen("evaluation", code=1, ended=True)
    evaluation.processes = {1: Process(1, 0, ["python"], failures=[raised("ValueError", message)])}
    tracked = [Tracked("e", "p", name, "finished", 1, {"test_correct": value}, {}, []) for name, value in (("a", first), ("b", second))]
    assert bool(cut_unevenly(SessionSeen("rehearsal", evaluation=evaluation, tracked=tracked))) is excused


# -- any program ---------------------------------------------------------------------------------------------------------------------------


def of_program(raised: Raised | None = None, *, code: int = 1, says: tuple[str, ...] = (), text: str = "") -> str:
    """Why the failure of a program that nobody declared anything of shows nothing."""
    chain = [raised] if raised else None
    run = RunSeen("train.py", tree="/box/tree", ended=True, code=code, is_any_program=True, lent=True)
    run.output = [("stderr", line) for line in says]
    return excuse(chain, run, {"train.py": Module("train.py", text)})


@pytest.mark.parametrize(
    ("raised", "why"),
    [
        (
            ("FileNotFoundError", "[Errno 2] No such file or directory: 'input.txt'"),
            "it needs input.txt, which is not in the program's folder",
        ),
        (("FileNotFoundError", "[Errno 2] No such file or directory: '/box/tree/a/b.bin'"), "it needs a/b.bin, which is not in"),
        (("EOFError", "EOF when reading a line"), "it reads from the keyboard"),
        (("OSError", "[Errno 25] Inappropriate ioctl for device"), "it asks for a terminal"),
        (("ModuleNotFoundError", "No module named 'torch'"), "the environment that was given lacks `torch`"),
        (("ImportError", "X requires Y; pip install Y"), "the environment that was given lacks what it asks for: X requires Y"),
        (("ImportError", "cannot import name 'a' from 'b'"), ""),
        (("ValueError", "wrong"), ""),
    ],
)
def test_what_a_program_lacks_here_is_no_fault_of_it(raised: tuple[str, str], why: str) -> None:
    found = of_program(Raised(raised[0], "builtins", raised[1], [("train.py", 3, "<module>")], own=False))
    assert found.startswith(why) and bool(found) == bool(why)


def test_arguments_that_a_program_does_not_take_are_no_fault_of_it() -> None:
    assert of_program(code=2, says=("usage: train.py [-h]", "train.py: error: unrecognized arguments: --x")).endswith("arguments: --x")
    assert of_program(code=2, says=("something else",)) == "it ends itself with exit code 2, and says last: something else"
    assert "terminal" in of_program(says=("stty: 'standard input': Inappropriate ioctl for device",))


@pytest.mark.parametrize(
    ("text", "is_excused"),
    [
        ("assert os.path.exists(path)", True),
        ("if not Path(path).is_file():\n    raise SystemError(path)", True),
        ("if not any(root.glob('*.jpg')):\n    raise RuntimeError('no images')", True),
        ("if path not in known:\n    raise RuntimeError(path)", False),
        ("raise RuntimeError(path)", False),
    ],
)
def test_files_that_a_program_looks_for_are_data(text: str, is_excused: bool) -> None:
    line = len(text.splitlines())
    found = of_program(Raised("RuntimeError", "builtins", "x", [("train.py", line, "<module>")], own=True), text=text)
    assert ("its own check" in found) == is_excused


def test_killed_program_is_no_fault_and_a_crash_is_one() -> None:
    killed, crashed = (RunSeen("train.py", ended=True, signal=number, is_any_program=True) for number in (9, 11))
    assert "memory runs out" in excuse(None, killed, {})
    assert excuse(None, crashed, {}) == ""
