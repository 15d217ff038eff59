"""The commands, one file each: `command` is what typer calls, under the name of its file."""
