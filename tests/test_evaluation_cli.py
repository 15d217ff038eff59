"""EVA103: the documented `key=value` arguments, in the ways that programs parse them."""

from __future__ import annotations

import pytest
from rule_cases import EVALUATE, HERE, found_and_marked

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

OLD = '''    values = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    if len(arguments) != 2 or set(values) != {"results_dir", "run_ids"}:
        raise SystemExit("""usage: python -m src.evaluate results_dir=<path> run_ids='["a","b"]'""")
    return Path(values["results_dir"]), json.loads(values["run_ids"])
'''
IMPORTS = Edit("import json\nimport sys\n", "import argparse\nimport json\nimport re\nimport shlex\nimport sys\n")
CALLED = Edit("parse_arguments(sys.argv[1:])", "parse_arguments()")
TAKEN = Edit("def parse_arguments(arguments: list[str])", "def parse_arguments()")
WRITTEN = '    write_json(run_dir / "metrics.json", run)\n'
FETCH = "def fetch_run("
PARSER = f'    parser = argparse.ArgumentParser()\n    parser.add_argument("results_dir"){HERE}\n    parser.add_argument("run_ids")\n'
OPTIONS = f'    parser = argparse.ArgumentParser()\n    parser.add_argument("--results_dir"){HERE}\n    parser.add_argument("--run_ids")\n'
GIVEN = "    given = parser.parse_args()\n"
DIRECT = "    return Path(given.results_dir), json.loads(given.run_ids)\n"


def parsing(body: str, elsewhere: str = "", definition: str = "") -> Tree:
    """The golden evaluation that parses its command line in another way; `elsewhere` stands where a run is written."""
    edits = [IMPORTS, CALLED, TAKEN, Edit(OLD, body)]
    edits += [Edit(WRITTEN, f"{WRITTEN}    {elsewhere}\n")] if elsewhere else []
    edits += [Edit(FETCH, f"{definition}\n\n\n{FETCH}")] if definition else []
    return Tree({EVALUATE: tuple(edits)})


TAKEN_LITERALLY = {
    "positional": parsing(PARSER + GIVEN + DIRECT),
    "another text is changed": parsing(PARSER + GIVEN + DIRECT, elsewhere='print(re.sub(r"[^a-z]", "_", run["run_id"]))'),
    "another text is split": parsing(PARSER + GIVEN + DIRECT, elsewhere='print(run["run_id"].split("="))'),
    "another text is split at a variable": parsing(PARSER + GIVEN + DIRECT, elsewhere='print(*(run["run_id"].split(mark) for mark in "-="))'),
    "a helper function for names": parsing(
        PARSER + GIVEN + DIRECT, "print(stem_of(run['run_id']))", 'def stem_of(name):\n    return re.match(r"[a-z]*", name)'
    ),
    "kept in variables": parsing(
        PARSER + GIVEN + "    folder, ids = given.results_dir, given.run_ids\n    return Path(folder), json.loads(ids)\n",
        elsewhere='print(re.sub(r"[^a-z]", "_", run["run_id"]))',
    ),
    "a mapping of the arguments": parsing(
        PARSER + '    given = vars(parser.parse_args())\n    return Path(given["results_dir"]), json.loads(given["run_ids"])\n',
        elsewhere='print(re.sub(r"[^a-z]", "_", run["method"]))',
    ),
    "options": parsing(OPTIONS + GIVEN + DIRECT),
    "the command line as it is": parsing(PARSER + "    given = parser.parse_args(sys.argv[1:])\n" + DIRECT),
    "the command line is only counted": parsing(PARSER + "    print(len(sys.argv))\n" + GIVEN + DIRECT),
    "a function that leaves the command line": Tree({EVALUATE: (IMPORTS, Edit(OLD, PARSER + GIVEN + DIRECT))}),
    "options, and another text is split": parsing(OPTIONS + GIVEN + DIRECT, elsewhere='print(str(run).split("="))'),
    "options whose values are split": parsing(
        OPTIONS + GIVEN + '    return Path(given.results_dir.split("=")[-1]), json.loads(given.run_ids)\n'
    ),
    "one of two is split": parsing(
        PARSER.replace(HERE, "") + GIVEN + f'    return Path(given.results_dir.removeprefix("results_dir=")), json.loads(given.run_ids){HERE}\n'
    ),
    "arguments of a loop": parsing(
        "    parser = argparse.ArgumentParser()\n    for name in ('results_dir', 'run_ids'):\n        parser.add_argument(name)\n"
        + GIVEN + f"    return Path(given.results_dir), json.loads(given.run_ids){HERE}\n"
    ),
    "by place": parsing(f"    return Path(sys.argv[1]), json.loads(sys.argv[2]){HERE}\n"),
    "split at commas": Tree({EVALUATE: (
        Edit(OLD, "    given = dict(word.split('=', 1) for word in arguments)\n    return Path(given['results_dir']), given['run_ids'].split(',')\n"),
        Edit('run = api.run(f"{project_path}/{run_id}")', f'run = api.run(f"{{project_path}}/{{run_id}}"){HERE}'),
    )}),
    "other keys": parsing(
        "    given = dict(word.split('=', 1) for word in sys.argv[1:])\n"
        f"    return Path(given['output']), json.loads(given['runs']){HERE}\n"
    ),
    "an error that is raised anew": parsing(
        "    try:\n" f"        ids = json.loads(sys.argv[2]){HERE}\n" "    except json.JSONDecodeError as error:\n"
        "        raise ValueError('run_ids must be JSON') from error\n    return Path(sys.argv[1]), ids\n"
    ),
}  # fmt: skip
TAKEN_APART = {
    "a helper function that looks for the key": parsing(
        PARSER.replace(HERE, "") + GIVEN + "    return Path(value_of(given.results_dir, 'results_dir')), json.loads(value_of(given.run_ids, 'run_ids'))\n",
        definition='def value_of(text, name):\n    start = f"{name}="\n    return text[len(start):] if text.startswith(start) else text',
    ),
    "an error that is survived": parsing(
        "    try:\n        ids = json.loads(sys.argv[2])\n    except ValueError:\n        ids = json.loads(sys.argv[2].split('=', 1)[1])\n"
        "    return Path(sys.argv[1].split('=', 1)[1]), ids\n"
    ),
    "runs of several seeds": parsing(
        "    given = dict(word.split('=', 1) for word in sys.argv[1:])\n"
        "    return Path(given['results_dir']), [f'{name}-seed1' for name in json.loads(given['run_ids'])]\n"
    ),
    "split": parsing(
        PARSER.replace(HERE, "") + GIVEN
        + '    return Path(given.results_dir.split("=", 1)[1]), json.loads(given.run_ids.split("=", 1)[1])\n'
    ),
    "a helper function": parsing(
        PARSER.replace(HERE, "") + GIVEN + "    return Path(value_of(given.results_dir)), json.loads(value_of(given.run_ids))\n",
        definition='def value_of(text):\n    return text.partition("=")[2]',
    ),
    "a pattern": parsing(
        PARSER.replace(HERE, "") + GIVEN
        + '    texts = [re.sub(r"^\\w+=", "", text) for text in (given.results_dir, given.run_ids)]\n    return Path(texts[0]), json.loads(texts[1])\n'
    ),
    "a mapping of the arguments": parsing(
        PARSER.replace(HERE, "")
        + '    given = {key: value.split("=", 1)[-1] for key, value in vars(parser.parse_args()).items()}\n'
        + '    return Path(given["results_dir"]), json.loads(given["run_ids"])\n'
    ),
    "a conversion": parsing(
        '    parser = argparse.ArgumentParser()\n    parser.add_argument("results_dir", type=lambda text: Path(text[12:]))\n'
        '    parser.add_argument("run_ids", type=lambda text: text[8:])\n' + GIVEN + DIRECT
    ),
    "arguments that the program prepares": parsing(
        OPTIONS.replace(HERE, "") + '    given = parser.parse_args([f"--{word}" for word in sys.argv[1:]])\n' + DIRECT
    ),
    "the command line itself is changed": parsing(
        OPTIONS.replace(HERE, "") + '    sys.argv[1:] = [f"--{word}" for word in sys.argv[1:]]\n' + GIVEN + DIRECT
    ),
    "any words": parsing(
        '    parser = argparse.ArgumentParser()\n    parser.add_argument("words", nargs="*")\n' + GIVEN
        + '    given = dict(word.split("=", 1) for word in given.words)\n    return Path(given["results_dir"]), json.loads(given["run_ids"])\n'
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", TAKEN_LITERALLY)
def test_arguments_that_are_taken_literally_are_found(way: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("EVA103", way, TAKEN_LITERALLY[way]), golden, composer)
    assert found == marked


@pytest.mark.parametrize("way", TAKEN_APART)
def test_arguments_that_may_be_taken_apart_are_left_alone(way: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("EVA103", way, TAKEN_APART[way]), golden, composer)[0] == []
