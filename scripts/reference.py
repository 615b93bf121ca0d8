#!/usr/bin/env python3
"""Write docs/cli.md, the reference of all commands, from their options: `make reference`."""

import argparse
import importlib
from pathlib import Path

from recommender.__main__ import COMMANDS, Program
from scripts import command
from scripts.local_server import ROOT

EXAMPLES = """\
  reference.py
  reference.py --out docs/cli.md
"""
HEAD = """\
# The commands

Written by `make reference` from the code.
`readmore COMMAND --help` prints the same. Every command also takes `--debug`, which shows the traceback of an error.

| code | a command ended because |
| --- | --- |
| 0 | all went well |
| 1 | of a bug: the traceback is printed |
| 2 | an argument is wrong |
| 3 | the input cannot be used |
| 4 | a package or the model is missing, or the index is of another version |
| 5 | the disk, PostgreSQL, Milvus, Ray or the store cannot be used |
| 6 | another build holds the index |
| 7 | the index is missing or damaged |
| 130, 143 | it was stopped by Ctrl-C or SIGTERM |
"""


def main(arguments: argparse.Namespace) -> None:
    arguments.out.write_text(reference(), encoding="utf-8")
    print(f"{len(COMMANDS)} commands written to {arguments.out}")


def reference() -> str:
    """Return the page. It does not depend on the terminal or on Python's version, as `--help` does."""
    return HEAD + "".join(_section(name, program) for name, program in COMMANDS.items())


def _section(name: str, program: Program) -> str:
    parser: argparse.ArgumentParser = importlib.import_module(f"scripts.{program.module}").options()
    examples = str(parser.epilog).removeprefix("examples:\n").rstrip()
    examples, _, codes = examples.partition("\nexit codes: ")
    lines = [f"## readmore {name}", "", str(parser.description).strip(), "", f"Extra: `{program.extra}`."]
    if codes:
        lines += ["", f"Exit codes: {codes}."]
    lines += ["", "\n".join(f"  {line}" for line in examples.splitlines()), "", "| argument | |", "| --- | --- |"]
    lines += [_row(action) for action in parser._actions if not {"--help", "--debug"} & {*action.option_strings}]
    return "\n" + "\n".join(lines) + "\n"


def _row(action: argparse.Action) -> str:
    values = "\\|".join(map(str, action.choices)) if action.choices else action.metavar or action.dest.upper()
    if not action.option_strings:
        label = str(action.metavar or action.dest.upper())
    else:
        label = ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {values}")
    described = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%").replace("|", "\\|")
    return f"| `{label}`{' (required)' if action.required and action.option_strings else ''} | {described} |"


if __name__ == "__main__":
    parser = command.parser("reference.py", __doc__, EXAMPLES)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "cli.md", metavar="FILE", help="the page (default: docs/cli.md)")
    command.run(main, parser)
