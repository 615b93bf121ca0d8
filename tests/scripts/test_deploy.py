"""What examples/deploy tells machines to run: it fits its schemas, and its commands have the options that it names."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from recommender.__main__ import COMMANDS
from service.settings import Settings
from tests.support.served import ROOT

FILES = sorted((ROOT / "examples" / "deploy").rglob("*.yaml"))


@cache
def options(name: str) -> set[str]:
    return set(re.findall(r"--[a-z-]+", importlib.import_module(f"scripts.{COMMANDS[name].module}").options().format_help()))


def texts(found: Any) -> Iterator[str]:
    """All commands, and all names, of a file."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield str(name)
            yield from texts(value)
    elif isinstance(found, list):
        if all(isinstance(part, str) for part in found):
            yield " ".join(found)
        for part in found:
            yield from texts(part)
    else:
        yield str(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT / "examples").as_posix())
def test_commands_have_the_options_that_are_used_and_settings_exist(path: Path) -> None:
    found = [text for part in yaml.safe_load_all(path.read_text(encoding="utf-8")) for text in texts(part)]
    lines = [f"readmore {text}" if text.startswith("serve ") else text for text in found]  # the image's entry point adds the name
    commands = {match for text in lines for match in re.findall(r"\breadmore ([a-z]+)\b([^;&]*)", text) if match[0] in COMMANDS}
    assert commands
    for name, arguments in commands:
        unknown = set(re.findall(r"--[a-z-]+", arguments)) - options(name)
        assert not unknown, f"readmore {name} has no {unknown}"
    names = {match.lower() for text in found for match in re.findall(r"READMORE_([A-Z_]+)", text)} - {"vectors_token"}
    assert names <= {*Settings.model_fields}, "no such setting"


def test_the_extras_that_an_image_is_built_with_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    compose = yaml.safe_load((ROOT / "examples" / "deploy" / "cluster" / "compose.yaml").read_text(encoding="utf-8"))
    (default,) = re.findall(r'ARG EXTRAS="([^"]+)"', dockerfile)
    for named in (default, compose["x-readmore"]["build"]["args"]["EXTRAS"]):
        assert set(named.split(",")) <= set(extras)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT / "examples").as_posix())
def test_files_fit_the_schema_of_their_own_tool(path: Path) -> None:
    """The tools hold the schemas of compose files and of Kubernetes; a field that they do not know is an error."""
    programs = Path(sys.executable).parent
    compose: list[str | Path] = [programs / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path]
    kubernetes: list[str | Path] = [programs / "kubernetes-validate", "--strict", path]
    done = subprocess.run(kubernetes if path.stem == "kubernetes" else compose, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_field_that_is_no_field_is_found(tmp_path: Path) -> None:
    for path in FILES:
        wrong = tmp_path / path.name
        wrong.write_text(re.sub(r"^( *)(ports|volumes):", r"\1portz:", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        with pytest.raises(AssertionError, match="portz"):
            test_files_fit_the_schema_of_their_own_tool(wrong)
