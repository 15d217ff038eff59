"""Programs that take their options by `click`."""

IMPORTS = ["click"]
NEEDS = "click"
HEAD = "import click\n\n\n"
RUN = "\n\nif __name__ == '__main__':\n    main()\n"


def command(options: str, signature: str, body: str = "print('done')", more: str = "@click.command()\n") -> str:
    """A program with one command."""
    return f"{HEAD}{more}{options}def main({signature}):\n    {body}\n{RUN}"


LR = "@click.option('--lr', type=float, default=0.1)\n"
GROUP = """import click


@click.group()
@click.option("--debug/--no-debug", default=False)
@click.pass_context
def cli(ctx, debug):
    {make}


@cli.command()
{passes}
def train({name}):
    {use}


cli(["train"], standalone_mode=False{obj})
"""


def group(use: str, make: str = "ctx.ensure_object(dict)\n    ctx.obj['debug'] = debug", obj: str = "") -> str:
    """A group whose command uses the object of the context."""
    is_object = "ctx" not in use
    return GROUP.format(
        make=make, use=use, obj=obj, passes="@click.pass_obj" if is_object else "@click.pass_context", name="obj" if is_object else "ctx"
    )


RIGHT = {
    "object of the group": group("print(ctx.obj['debug'])"),
    "object, passed": group("print(obj['debug'])"),
    "object, asked with care": group("print(ctx.obj.get('rate'), ctx.obj.setdefault('steps', 1), ctx.obj['steps'])"),
    "object, in": group("if 'rate' in ctx.obj:\n        print(ctx.obj['rate'])"),
    "object, tried": group("try:\n        print(ctx.obj['rate'])\n    except KeyError:\n        print(1)"),
    "object, a dict": group("print(ctx.obj['rate'])", "ctx.obj = {'rate': 1, 'debug': debug}"),
    "object, updated": group("print(ctx.obj['rate'])", "ctx.obj = dict(debug=debug)\n    ctx.obj.update(rate=1)"),
    "object, given": group("print(obj['rate'])", "pass", ", obj={'rate': 1}"),
    "object, made elsewhere": group("print(obj['rate'])", "ctx.obj = load()").replace("import click\n", "import click\n\n\ndef load():\n    return {'rate': 1}\n"),
    "object, handed on": group("print(ctx.obj['rate'])", "ctx.obj = {'debug': debug}\n    fill(ctx.obj)").replace("import click\n", "import click\n\n\ndef fill(obj):\n    obj['rate'] = 1\n"),
    "plain": command(LR, "lr", "print(lr)"),
    "dashes": command("@click.option('--batch-size', default=8)\n", "batch_size"),
    "a name of its own": command("@click.option('--batch-size', 'size', default=8)\n", "size"),
    "short and long": command("@click.option('-b', '--batch', default=8)\n", "batch"),
    "long and short": command("@click.option('--batch', '-b', default=8)\n", "batch"),
    "short only": command("@click.option('-b', default=8)\n", "b"),
    "two long": command("@click.option('--first-name', '--other', default=8)\n", "first_name"),
    "on and off": command("@click.option('--amp/--no-amp', default=True)\n", "amp"),
    "capitals": command("@click.option('--LR', default=8)\n", "lr"),
    "argument": command("@click.argument('folder', default='.')\n", "folder"),
    "argument with dashes": command("@click.argument('THE-folder', default='.')\n", "the_folder"),
    "context": command("@click.pass_context\n" + LR, "ctx, lr"),
    "any": command(LR + "@click.option('--seed', default=1)\n", "**options", "print(options['lr'])"),
    "a default": command(LR, "lr, seed=1"),
    "not given": command("@click.option('--seed', default=1, expose_value=False)\n" + LR, "lr"),
    "version": command("@click.version_option('1.0')\n" + LR, "lr"),
    "keyword only": command(LR, "*, lr"),
    "group": HEAD + "@click.group(invoke_without_command=True)\n@click.option('--debug', is_flag=True)\ndef main(debug):\n    pass\n\n\n@main.command()\n" + LR + "def train(lr):\n    print(lr)\n" + RUN,
    "shared options": HEAD + "def common(f):\n    return click.option('--seed', default=1)(f)\n\n\n@click.command()\n@common\n" + LR + "def main(lr, seed):\n    print(lr, seed)\n" + RUN,
    "in a loop": HEAD + "def common(f):\n    for name in ('--a', '--b'):\n        f = click.option(name, default=1)(f)\n    return f\n\n\n@click.command()\n@common\ndef main(a, b):\n    print(a, b)\n" + RUN,
    "object": HEAD + "@click.group(invoke_without_command=True)\n@click.pass_context\ndef main(ctx):\n    ctx.obj = {'a': 1}\n\n\n@main.command()\n@click.pass_obj\ndef train(obj):\n    print(obj)\n" + RUN,
    "from imports": "from click import command, option\n\n\n@command()\n@option('--lr', default=0.1)\ndef main(lr):\n    print(lr)\n" + RUN,
}  # fmt: skip
WRONG = {
    "object": group("print(ctx.obj['rate'])"),
    "object, passed": group("print(obj['rate'])"),
    "object, f-string": group("print(f\"{ctx.obj['rate']}\")"),
    "object, a dict": group("print(ctx.obj['rate'])", "ctx.obj = {'debug': debug}"),
    "object, updated": group("print(ctx.obj['rates'])", "ctx.obj = dict(debug=debug)\n    ctx.obj.update(rate=1)"),
    "object, given": group("print(obj['rates'])", "pass", ", obj={'rate': 1}"),
    "no option": command(LR, "lr, seed"),
    "no parameter": command(LR + "@click.option('--seed', default=1)\n", "lr"),
    "another name": command("@click.option('--learning-rate', default=0.1)\n", "lr"),
    "a name of its own": command("@click.option('--batch-size', 'size', default=8)\n", "batch_size"),
    "short and long": command("@click.option('-b', '--batch', default=8)\n", "b"),
    "on and off": command("@click.option('--amp/--no-amp', default=True)\n", "no_amp"),
    "capitals": command("@click.option('--LR', default=8)\n", "LR"),
    "argument": command("@click.argument('folder', default='.')\n", "path"),
    "no context": command(LR, "ctx, lr"),
    "not given": command("@click.option('--seed', default=1, expose_value=False)\n" + LR, "lr, seed"),
    "keyword only": command(LR, "*, lr, seed"),
    "no parameters": command(LR, ""),
    "of a group": HEAD + "@click.group(invoke_without_command=True)\n@click.option('--debug', is_flag=True)\ndef main():\n    pass\n" + RUN,
    "from imports": "from click import command, option\n\n\n@command()\n@option('--lr', default=0.1)\ndef main(rate):\n    print(rate)\n" + RUN,
    "two long": command("@click.option('--first-name', '--other', default=8)\n", "other"),
}  # fmt: skip
