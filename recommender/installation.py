"""Say how a missing package is installed on this machine.

Readmore is on no package index, so the advice names the wheel or the checkout that it was installed from.
"""

import json
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

HOME = Path(__file__).resolve().parents[1]
"""The checkout, or the folder of installed packages."""

PROGRAMS = Path(__file__).resolve().with_name("_programs")
"""The folder of `index`, `service` and `scripts` in a wheel. In a checkout they are in `HOME`."""


def not_installed(package: str, extra: str) -> str:
    """Return the message for a missing package, with the command that installs the extra it belongs to."""
    return f"{package} is not installed - {pip_install(extra)}"


def pip_install(extra: str) -> str:
    """Return the command that installs Readmore with an extra into this environment, whether or not pip is in it."""
    pip = f"{sys.executable} -m pip" if _has_pip() else f"pip --python {sys.executable}"
    return f"{pip} install '{_source()}{f'[{extra}]' if extra else ''}'"


def _has_pip() -> bool:
    try:
        distribution("pip")
    except PackageNotFoundError:
        return False
    return True


def _source() -> str:
    """Return what pip can install Readmore from: the checkout, or the wheel or folder that was installed."""
    if (HOME / "pyproject.toml").is_file():
        return str(HOME)
    try:
        address = json.loads(distribution("readmore").read_text("direct_url.json") or "{}").get("url", "")
    except PackageNotFoundError:
        address = ""
    if address.startswith("file:"):
        return unquote(urlsplit(address).path)
    return "readmore"  # from an index that has it; where it is installed, pip adds the extra without an index
