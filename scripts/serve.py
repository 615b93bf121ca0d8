#!/usr/bin/env python3
"""Serve an index over HTTP.

Every setting is a flag, an environment variable READMORE_NAME, or a line of a TOML file, in this precedence.
"""

import argparse
import os
from pathlib import Path

from index.journal.address import JournalAddress
from recommender.errors import OutOfRange
from scripts import command
from service import logs
from service.settings import Settings, read_settings

EXAMPLES = """\
  readmore serve --index var/demo
  readmore serve --config /etc/readmore.toml --workers 4
  readmore serve config show --config /etc/readmore.toml     every setting, and where it comes from
"""


def main(arguments: argparse.Namespace) -> None:
    if arguments.action not in ([], ["config", "show"]):
        raise OutOfRange(f"{' '.join(arguments.action)[:50]!r} is unknown - it takes 'config show', or nothing to serve")
    flags = {name: getattr(arguments, name) for name in Settings.model_fields}
    settings, origins = read_settings(flags, arguments.config)
    if arguments.action:
        for name, value in settings:
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else value
            if name == "live" and value:
                shown = JournalAddress.parse(value)  # hides the password
            print(f"{name:<16} {shown!s:<40} {origins[name]}")
        return
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // settings.workers)))
    logs.configure(settings.log_level)
    from service import server
    from service.app import create_app

    app = create_app(settings)
    listening = server.listen(settings.host, settings.port)  # before the address is printed
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{listening.getsockname()[1]}"
    print(f"\n  Readmore serves {settings.index} on {address}")
    print(f"  curl '{address}/v1/articles/{app.state.example_id}/related?limit=3'\n", flush=True)
    server.serve(settings, app, listening)


def options() -> argparse.ArgumentParser:
    parser = command.parser("readmore serve", __doc__, EXAMPLES)
    parser.add_argument("action", nargs="*", help="'config show', or nothing to serve")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings")
    told = {name: line.strip() for line in str(Settings.__doc__).splitlines() for name in line.partition(":")[0].strip().split(", ")}
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() or not field.default else f" (default: {field.default})"
        help_text = told.get(name, "").partition(": ")[2].rstrip(".") or name.replace("_", " ")
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="...", help=f"{help_text}{default}")
    return parser


if __name__ == "__main__":
    command.run(main, options())
