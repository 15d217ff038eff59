"""What is there although no source of the project shows it, what is never reached, and what other versions of libraries do."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of

from gonogo.analysis.project.hydra_doubts import old_hydra
from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

MAIN = """import hydra
{imports}

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    print(1)


if __name__ == "__main__":
    main()
"""


def errors(composer: Composer, files: dict[str, str], *rules: str) -> list[str]:
    verdict = check(experiment_of(files), CheckOptions(contract="generic", select=rules), composer)
    return [f"{finding.rule} {finding.location.path}:{finding.location.line}" for finding in verdict.findings if finding.blocks]


# -- modules ------------------------------------------------------------------------------------------------------------------

PACKAGE = {"fast/__init__.py": "", "fast/time/__init__.py": "", "fast/time/clock.py": "def tick():\n    return 1\n"}


@pytest.mark.parametrize(
    ("init", "wanted"),
    [
        ('import sys\nfrom fast.time import clock\nsys.modules["fast.clocks"] = clock\n', "fast.clocks"),
        ('import sys as system\nfrom fast.time import clock\nsystem.modules["fast.clocks"] = clock\n', "fast.clocks"),
        ('from sys import modules\nfrom fast.time import clock\nmodules["fast.clocks"] = clock\n', "fast.clocks"),
        ('import sys\nfrom fast.time import clock\nsys.modules[__name__ + ".clocks"] = clock\n', "fast.clocks"),
        ('import sys\nfrom fast.time import clock\nsys.modules[f"{__name__}.clocks"] = clock\n', "fast.clocks"),
        ('import sys\nfrom fast.time import clock\nsys.modules.setdefault("fast.clocks", clock)\n', "fast.clocks"),
        ('import sys\nfrom fast.time import clock\nsys.modules.update({"fast.clocks": clock})\n', "fast.clocks"),
        ('import sys\nimport fast.time\nsys.modules["fast.old"] = fast.time\n', "fast.old.clocks"),
        ('import sys\nfor name in ("clocks",):\n    sys.modules["fast." + name] = sys.modules["fast.time.clock"]\n', "fast.clocks"),
        ('import sys\ndef alias(name, module):\n    sys.modules[name] = module\nalias("fast.clocks", None)\n', "fast.clocks"),
    ],
)
def test_the_code_may_name_modules_itself(composer: Composer, init: str, wanted: str) -> None:
    files = {**PACKAGE, "fast/__init__.py": init, "go.py": MAIN.format(imports=f"import {wanted}\n")}
    assert errors(composer, files, "IMP105") == []
    assert errors(composer, {**files, "fast/__init__.py": ""}, "IMP105") == ["IMP105 go.py:2"]


def test_another_name_is_not_there(composer: Composer) -> None:
    files = {
        **PACKAGE,
        "fast/__init__.py": 'import sys\nsys.modules["fast.clocks"] = sys\n',
        "go.py": MAIN.format(imports="import fast.clogs\n"),
    }
    assert errors(composer, files, "IMP105") == ["IMP105 go.py:2"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("setup.py", 'from setuptools import Extension, setup\nsetup(ext_modules=[Extension("fast._kernel", ["k.c"])])\n'),
        ("setup.py", 'from setuptools import Extension, setup\nsetup(ext_modules=[Extension(name="fast._kernel", sources=["k.c"])])\n'),
        (
            "setup.py",
            'from torch.utils.cpp_extension import CUDAExtension\nsetup(ext_modules=[CUDAExtension(name="fast._kernel", sources=[])])\n',
        ),
        (
            "setup.py",
            'import setuptools\nE = setuptools.Extension\nNAME = "fast._kernel"\nsetup(ext_modules=[setuptools.Extension(NAME, ["k.c"])])\n',
        ),
        ("setup.py", 'from setuptools_rust import RustExtension\nsetup(rust_extensions=[RustExtension("fast._kernel")])\n'),
        ("CMakeLists.txt", "pybind11_add_module(_kernel k.cpp)\n"),
        ("CMakeLists.txt", "python_add_library(_kernel MODULE k.cpp)\n"),
        ("CMakeLists.txt", "nanobind_add_module(\n  _kernel\n  k.cpp)\n"),
        ("csrc/CMakeLists.txt", "set(NAME _kernel)\npybind11_add_module(${NAME} k.cpp)\n"),
        ("meson.build", "py.extension_module('_kernel', 'k.c')\n"),
        ("Cargo.toml", '[package]\nname = "fast"\n[lib]\nname = "_kernel"\ncrate-type = ["cdylib"]\n'),
        ("pyproject.toml", '[build-system]\nbuild-backend = "maturin"\n[tool.maturin]\nmodule-name = "fast._kernel"\n'),
        ("pyproject.toml", '[[tool.setuptools.ext-modules]]\nname = "fast._kernel"\nsources = ["k.c"]\n'),
        ("fast/_kernel.pyx", "cpdef int one(): return 1\n"),
    ],
)
def test_a_build_makes_modules(composer: Composer, path: str, text: str) -> None:
    files = {**PACKAGE, "go.py": MAIN.format(imports="import fast._kernel\n")}
    assert errors(composer, {**files, path: text}, "IMP105") == []
    assert errors(composer, files, "IMP105") == ["IMP105 go.py:2"]


# -- versions -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements.txt", "torch\nhydra-core==1.0.6\n"),
        ("requirements/dev.txt", "hydra_core<1.1  # for the defaults list\n"),
        ("requirements-dev.txt", "hydra-core~=1.0.0\n"),
        ("docker/requirements.in", "hydra-core[all]>=1.0,<1.1 ; python_version > '3'\n"),
        ("environment.yml", "dependencies:\n  - python=3.8\n  - pip:\n    - hydra-core==1.0.7\n"),
        ("environment.yaml", "dependencies:\n  - conda-forge::hydra-core=1.0\n"),
        ("conda/env-gpu.yml", "dependencies:\n  - hydra-core=1.0.6=pyhd_0\n"),
        ("setup.py", "import setuptools\nsetuptools.setup(install_requires=['hydra-core>=1.0,<1.1'])\n"),
        ("setup.cfg", "[options]\ninstall_requires =\n    hydra-core == 0.11.3\n"),
        ("pyproject.toml", '[project]\ndependencies = ["hydra-core<1.1"]\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nhydra-core = "~1.0"\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nhydra-core = "1.0.6"\n'),
    ],
)
def test_an_old_hydra_is_found_wherever_it_is_asked_for(path: str, text: str) -> None:
    assert old_hydra(experiment_of({path: text})).startswith(path)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements.txt", "hydra-core\nhydra-core>=1.0\nhydra-colorlog==1.0\n# hydra-core==1.0\n"),
        ("requirements.txt", "hydra-core==1.1.2\n"),
        ("environment.yml", "dependencies:\n  - hydra-core=1.3\n"),
        ("setup.py", "setup(install_requires=['hydra-core>=1.0,<1.4'])\n"),
        ("pyproject.toml", '[tool.poetry.dependencies]\nhydra-core = "^1.0"\n'),
        ("README.md", "hydra-core==1.0.6\n"),
    ],
)
def test_a_hydra_that_may_be_new_is_taken_to_be_new(path: str, text: str) -> None:
    assert old_hydra(experiment_of({path: text})) == ""


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("requirements.txt", "omegaconf>=2.4.0.dev15\n", []),
        ("requirements/base.txt", "omegaconf==2.5\n", []),
        ("environment.yml", "dependencies:\n  - pip:\n    - omegaconf>2.4\n", []),
        ("setup.cfg", "[options]\ninstall_requires =\n    omegaconf >= 2.4.0.dev1\n", []),
        ("uv.lock", '[[package]]\nname = "omegaconf"\nversion = "2.4.0"\n', []),
        ("requirements.txt", "omegaconf>=2.1\n", ["ENV106 look.py:6"]),
        ("requirements.txt", "torch\n", ["ENV106 look.py:6"]),
    ],
)
def test_a_library_may_be_newer_than_what_is_known_of_it(composer: Composer, path: str, text: str, found: list[str]) -> None:
    program = MAIN.format(imports="from omegaconf import OmegaConf").replace("print(1)", "print(OmegaConf.is_sequence(cfg))")
    assert errors(composer, {path: text, "look.py": program}, "ENV106") == found


# -- what is never reached ------------------------------------------------------------------------------------------------------

DEAD = [
    "def f():\n    return 1\n    print(nothing)\n",
    "def f():\n    raise ValueError\n    print(nothing)\n",
    "import sys\ndef f():\n    sys.exit(1)\n    print(nothing)\n",
    "def f(a):\n    if a:\n        return 1\n    else:\n        raise ValueError\n    print(nothing)\n",
    "def f(a):\n    for b in a:\n        continue\n        print(nothing)\n",
    "def f(a):\n    while True:\n        if a:\n            return 1\n    print(nothing)\n",
    "def f():\n    if False:\n        print(nothing)\n",
    "def f():\n    if 0 and f:\n        return nothing\n",
    "import sys\nif sys.version_info[0] < 3:\n    text = unicode\n",
    "import sys\nif sys.version_info < (3, 0):\n    text = unicode\nelse:\n    text = str\n",
    "import sys\ntext = str if sys.version_info >= (3,) else unicode\n",
    "import sys\nPY2 = sys.version_info[0] == 2\nif PY2:\n    text = unicode\n",
    "import sys\nif sys.version_info.major == 2:\n    text = unicode\n",
    "import six\nif six.PY2:\n    text = unicode\n",
    "try:\n    import json as codec\nexcept ImportError:\n    give_up()\n",
    "try:\n    import pickle\n    import queue\nexcept ModuleNotFoundError as error:\n    give_up(error)\n",
    "def f():\n    try:\n        return 1\n    finally:\n        pass\n    print(nothing)\n",
]
ALIVE = [
    "def f(a):\n    if a:\n        return 1\n    print(nothing)\n",
    "def f(a):\n    for b in a:\n        break\n    print(nothing)\n",
    "def f(a):\n    while True:\n        if a:\n            break\n    print(nothing)\n",
    "import sys\nif sys.version_info >= (3, 0):\n    text = nothing\n",
    "import sys\nif sys.version_info < (3, 9):\n    text = nothing\n",
    "try:\n    import cPickle\nexcept ImportError:\n    give_up()\n",
    "def f(a):\n    try:\n        return a()\n    except ValueError:\n        pass\n    print(nothing)\n",
    "def f(a):\n    with a:\n        raise ValueError\n    print(nothing)\n",
]


@pytest.mark.parametrize("text", DEAD)
def test_a_name_that_is_never_reached(composer: Composer, text: str) -> None:
    assert errors(composer, {"a.py": text, "go.py": MAIN.format(imports="")}, "IMP104") == []


@pytest.mark.parametrize("text", ALIVE)
def test_a_name_that_may_be_reached(composer: Composer, text: str) -> None:
    assert len(errors(composer, {"a.py": text, "go.py": MAIN.format(imports="")}, "IMP104")) == 1
