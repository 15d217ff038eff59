"""pyproject.toml: where keys stand, which requirements uv reads, and what it or a build backend refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo.analysis.project.dependencies import dependency_faults, requirements
from gonogo.analysis.project.distributions import closure, import_names, is_known, is_plugin, mistaken_for, providers
from gonogo.analysis.project.project_table import build_faults, missing_documents, project_faults
from gonogo.analysis.project.pyproject import load_pyproject, parse_requirement

TEXT = """\
[project]
name = "x"  # the name
version = "0.1"
dependencies = [
    "torch>=2.4",
    "numpydoc",
    'numpy',
]

[project.optional-dependencies]
dev = ["pytest"]

[tool.hatch.build.targets.wheel]
packages = ["src"]
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("project",), 1),
        (("project", "name"), 2),
        (("project", "dependencies"), 4),
        (("project", "optional-dependencies"), 10),
        (("project", "optional-dependencies", "dev"), 11),
        (("tool", "hatch"), 13),
        (("tool", "hatch", "build", "targets", "wheel", "packages"), 14),
        (("project", "authors"), 1),
        (("build-system",), None),
    ],
)
def test_locates_keys(keys, line):
    assert load_pyproject(TEXT).locate(*keys).line == line


def test_locates_dotted_keys_and_entries():
    pyproject = load_pyproject(TEXT)
    assert pyproject.locate_text("numpy", "project", "dependencies").line == 7
    assert load_pyproject('project.name = "x"\n"tool".uv.package = false\n').locate("tool", "uv", "package").line == 2


READ = """a>=1,<2|a>=1<2|a!=~1.2|a>=1.*|a==1.*|a~=1.0|a>=1,|a[b]>=1|a (>=1,<2)|a; sys_platform=='linux'|a @ file:///x|a === 1|a==1.0+cpu|A_b.c"""
REFUSED = """a^1|a ^1.0|a=1|a*|a ~1|a>=latest|a latest|a~>1|a@1.0|./a|-r x.txt|git+https://github.com/a/b|a_|a>=1.0+cpu|a => 1|a >=1 <2|"""


# What uv does with `dependencies = [<this>]`.
@pytest.mark.parametrize("text", [*READ.split("|"), " a>=1\n"])
def test_requirements_that_uv_reads(text):
    assert parse_requirement(text) is not None


@pytest.mark.parametrize("text", [*REFUSED.split("|"), 1, None, {"name": "a"}])
def test_requirements_that_uv_refuses(text):
    assert parse_requirement(text) is None


PROJECT = '[project]\nname = "x"\nversion = "0.1"\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (PROJECT + '[project.dependencies]\ntorch = "*"', 4),
        (PROJECT + 'dependencies = "torch"', 4),
        (PROJECT + 'dependencies = [\n"torch",\n"numpy^2"]', 6),
        (PROJECT + "dependencies = []", 4),
        (PROJECT, 1),
        (PROJECT + 'dependencies = ["sklearn"]', 4),
        (PROJECT + 'dependencies = ["python>=3.9", "torch"]', 4),
        (PROJECT + 'dependencies = ["torch"]\n[dependency-groups]\ndev = ["pytest^7"]', 6),
        (PROJECT + 'dependencies = ["torch"]\n[project.optional-dependencies]\ndev = ["pytest^7"]', 6),
        ('[tool.poetry.dependencies]\ntorch = "^2"', 1),
        ("[tool.black]\n", None),
    ],
)
def test_unusable_dependencies(text, line):
    faults = list(dependency_faults(load_pyproject(text), needs_any=True))
    assert [fault.location.line for fault in faults] == [line]


@pytest.mark.parametrize(
    "text",
    [
        PROJECT + 'dependencies = ["torch"]',
        PROJECT + 'dynamic = ["dependencies"]',
        PROJECT + '[dependency-groups]\ndev = ["torch", {include-group = "test"}]\ntest = []',
        "not toml",
        "project = 1",
    ],
)
def test_usable_or_reported_elsewhere(text):
    assert list(dependency_faults(load_pyproject(text), needs_any=True)) == []


def test_nothing_is_needed_where_nothing_is_imported():
    assert list(dependency_faults(load_pyproject(PROJECT), needs_any=False)) == []


def test_requirements_are_canonical():
    text = PROJECT + 'dependencies = ["PyYAML>=6", "Scikit_Learn", "bad^1"]\n[dependency-groups]\ndev = ["pytest"]'
    assert [requirement.name for requirement in requirements(load_pyproject(text))] == ["pyyaml", "scikit-learn", "pytest"]


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nversion = "1"',
        '[project]\nname = "x"',
        '[project]\nname = "my exp"\nversion = "1"',
        '[project]\nname = "x-"\nversion = "1"',
        '[project]\nname = "x"\nversion = "first"',
        '[project]\nname = "x"\nversion = 1',
        *(
            PROJECT + f"requires-python = {value}"
            for value in ('"^3.9"', '"3.9"', '">=3.9.*"', '">=3.9,"', '">=4"', '">=3.12,<3.10"', "3.9", '"*"')
        ),
        PROJECT + 'optional-dependencies = ["pytest"]',
        "[[project]]",
    ],
)
def test_tables_that_uv_refuses(text):
    assert len(list(project_faults(load_pyproject(text)))) == 1


@pytest.mark.parametrize("value", ['"==3.11.*"', '">=3.6"', '"~=3.9"', '""', '">= 3.9, < 3.14"', '">=3.9,!=3.9.7"', '"==3.12.3"'])
def test_python_versions_that_uv_takes(value):
    assert list(project_faults(load_pyproject(PROJECT + f"requires-python = {value}"))) == []


FILES = ["src/main.py", "src/model.py", "config/config.yaml", "pyproject.toml"]
HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
POETRY = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
WHEEL = '[tool.hatch.build.targets.wheel]\npackages = ["src"]\n'


@pytest.mark.parametrize(
    ("text", "files"),
    [
        (PROJECT + HATCHLING, FILES),
        (PROJECT + HATCHLING + '[tool.hatch.build.targets.sdist]\ninclude = ["src"]', FILES),
        (PROJECT + POETRY, FILES),
        (PROJECT + POETRY + '[tool.poetry]\npackages = [{include = "x", from = "src"}]', FILES),
        (PROJECT + POETRY + "[tool.poetry]\npackage-mode = false", FILES),
        (PROJECT + '[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"', FILES),
        (PROJECT + SETUPTOOLS + '[tool.setuptools]\npackages = ["lib"]', FILES),
        (PROJECT + SETUPTOOLS + '[tool.setuptools.packages.find]\nwhere = ["lib"]', FILES),
        (PROJECT + 'authors = ["A <a@b.c>"]\n' + SETUPTOOLS, FILES),
        (PROJECT + 'authors = {name = "A"}\n' + HATCHLING + WHEEL, FILES),
        (PROJECT + 'authors = [{name = "A", email = "a"}]\n' + HATCHLING + WHEEL, FILES),
        (PROJECT + 'shape = "round"\n' + SETUPTOOLS, FILES),
        (PROJECT + 'license = "MIT"\nclassifiers = ["License :: OSI Approved :: MIT License"]\n' + SETUPTOOLS, FILES),
        (PROJECT + HATCHLING + WHEEL + '[project.scripts]\ntrain = "python -m src.train"', FILES),
        (PROJECT + '[build-system]\nbuild-backend = "hatchling.build"', FILES),
    ],
)
def test_projects_that_cannot_be_built(text, files):
    assert len(list(build_faults(load_pyproject(text), files))) == 1


@pytest.mark.parametrize(
    ("text", "files"),
    [
        (PROJECT, FILES),
        (PROJECT + HATCHLING + WHEEL, FILES),
        (PROJECT + HATCHLING + "[tool.uv]\npackage = false", FILES),
        (PROJECT + HATCHLING, [*FILES, "x/__init__.py"]),
        (PROJECT + HATCHLING, [*FILES, "src/x/__init__.py"]),
        (PROJECT + HATCHLING, [*FILES, "x.py"]),
        (PROJECT + HATCHLING, [*FILES, "hatch.toml"]),
        (PROJECT + SETUPTOOLS, FILES),
        (PROJECT + SETUPTOOLS + '[tool.setuptools.packages.find]\nwhere = ["src"]', FILES),
        (PROJECT + POETRY + '[tool.poetry]\npackages = [{include = "src"}]', FILES),
        (PROJECT.replace('"x"', '"src"') + POETRY, FILES),
        (PROJECT + '[build-system]\nrequires = ["pdm-backend"]\nbuild-backend = "pdm.backend"', FILES),
        (PROJECT + 'authors = ["A <a@b.c>"]', FILES),
    ],
)
def test_projects_that_can_be_built(text, files):
    assert list(build_faults(load_pyproject(text), files)) == []


def test_a_readme_is_missed_by_the_backends_that_read_it():
    text = PROJECT + 'readme = "README.md"\n'
    assert list(missing_documents(load_pyproject(text + HATCHLING), FILES))
    assert not list(missing_documents(load_pyproject(text + HATCHLING), [*FILES, "README.md"]))
    assert not list(missing_documents(load_pyproject(text + SETUPTOOLS), FILES))
    assert not list(missing_documents(load_pyproject(text), FILES))


def test_imports_and_distributions():
    assert providers("sklearn") == ("scikit-learn",)
    assert providers("cv2")[0] == "opencv-python"
    assert providers("no_such_module") == ()
    assert import_names("pyyaml") == {"yaml"}
    assert import_names("some-thing") == {"some_thing"}
    assert {"omegaconf", "pyyaml"} <= closure(["Hydra_Core"])
    assert "numpy" not in closure(["einops"])
    assert is_known("torch")
    assert not is_known("some-thing")
    assert is_plugin("hydra-colorlog")
    assert mistaken_for("sklearn") == "scikit-learn"
    assert mistaken_for("python") == ""
    assert mistaken_for("torch") is None


VALUES = st.recursive(
    st.one_of(
        st.text(max_size=5), st.integers(), st.booleans(), st.sampled_from(["^1", "src", "hatchling.build", "setuptools.build_meta"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["name", "include", "where", "find", "file"]), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = [
    "name",
    "version",
    "dependencies",
    "requires-python",
    "optional-dependencies",
    "authors",
    "dynamic",
    "readme",
    "scripts",
    "license",
    "keywords",
]


@pytest.mark.slow
@given(
    st.one_of(st.dictionaries(st.sampled_from(KEYS), VALUES), VALUES),
    st.one_of(st.fixed_dictionaries({"build-backend": st.sampled_from(["hatchling.build", "poetry.core", "uv_build", "setuptools.build_meta", 1])}), VALUES),
    st.dictionaries(st.sampled_from(["hatch", "poetry", "uv", "setuptools"]), st.one_of(VALUES, st.dictionaries(st.sampled_from(["packages", "build", "package"]), VALUES))),
)  # fmt: skip
def test_odd_tables_raise_nothing(project, system, tool):
    pyproject = load_pyproject("")
    pyproject.table = {"project": project, "build-system": system, "tool": tool, "dependency-groups": project}
    for fault in [
        *dependency_faults(pyproject, True),
        *project_faults(pyproject),
        *build_faults(pyproject, FILES),
        *missing_documents(pyproject, FILES),
    ]:
        assert fault.message
        assert fault.action


@given(st.one_of(st.text(), st.lists(st.sampled_from([*TEXT.splitlines(), "[[a]]", "x = ", '"""', "a.b = 1"])).map("\n".join)))
def test_arbitrary_text_raises_nothing(text):
    pyproject = load_pyproject(text)
    assert pyproject.fault is None or 1 <= pyproject.fault[1] <= max(len(pyproject.lines), 1)
    list(dependency_faults(pyproject, needs_any=True))
    pyproject.locate_text("torch", "project", "dependencies")
