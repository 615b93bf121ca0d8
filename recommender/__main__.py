"""Run a command of Readmore: `readmore build`, `readmore serve` and so on.

The programs are the packages `index`, `service` and `scripts`. The wheel holds them in `recommender/_programs`, so that
these names never get onto the path of a program that imports `recommender`. Only this process and its children see
them. In a checkout they are beside `recommender`.
"""

import importlib
import os
import sys
from importlib.metadata import version
from typing import NamedTuple

from recommender.installation import HOME, PROGRAMS, not_installed


class Program(NamedTuple):
    """A command.

    Attributes:
        module: Module of `scripts`.
        extra: Extra of the package that installs what the command needs.
        purpose: What it does, for the help.
    """

    module: str
    extra: str
    purpose: str


COMMANDS = {
    "build": Program("build_index", "build", "build an index of an archive, or bring one up to date"),
    "serve": Program("serve", "serve", "serve an index over HTTP"),
    "key": Program("key", "serve", "make a key for editors or readers of the service, and its hash for the settings"),
    "related": Program("related", "serve", "print the related list of an article or a text"),
    "similarity": Program("compare_texts", "serve", "print how similar two texts are"),
    "evaluate": Program("evaluate", "build", "compare the lists with the editors', with a report to look at"),
    "fit": Program("fit_ranker", "build", "fit the ranker to the editors' lists"),
    "map": Program("map", "build", "draw the archive as a map"),
    "export": Program("export", "serve", "export every list to files"),
    "doctor": Program("doctor", "serve", "check this machine and an index, and print how to fix each fault"),
    "verify": Program("verify_index", "serve", "check every byte of an index"),
    "diff": Program("diff_index", "serve", "show what a new index changes for readers"),
    "rollback": Program("rollback", "serve", "make an older release current, or list the releases"),
    "push": Program("push", "store", "push the current release into a store"),
    "pull": Program("pull", "store", "fetch the current release of a store"),
    "share": Program("share", "postgres", "move this machine's updates into the journal that machines share"),
}


def main() -> None:
    """Run the command that the arguments name."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name == "--version":
        print(f"readmore {version('readmore')}")
    elif name in ("--help", "-h"):
        print(usage())
    elif name not in COMMANDS:
        print(f"error: readmore has no command {name[:50]!r} - see readmore --help", file=sys.stderr)
        sys.exit(2)
    else:
        run(name, arguments)


def usage() -> str:
    """Return the help of `readmore`."""
    lines = (f"  {name:<11} {program.purpose}" for name, program in COMMANDS.items())
    return "usage: readmore COMMAND ...\n\n" + "\n".join(lines) + "\n\n`readmore COMMAND --help` shows the options of a command."


def run(name: str, arguments: list[str]) -> None:
    """Run a command, and exit with its code. Its children find the programs too."""
    programs = str(PROGRAMS if PROGRAMS.is_dir() else HOME)
    sys.path.insert(0, programs)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (programs, os.environ.get("PYTHONPATH"))))
    program = COMMANDS[name]
    try:
        module = importlib.import_module(f"scripts.{program.module}")
        importlib.import_module("scripts.command").run(module.main, module.options(), arguments)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("recommender", "index", "service", "scripts"):
            raise
        print(f"error: readmore {name}: {not_installed(error.name, program.extra)}", file=sys.stderr)
        sys.exit(4)


if __name__ == "__main__":
    main()
