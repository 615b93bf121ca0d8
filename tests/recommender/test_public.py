"""What a user of the package sees: its names, its weight, its first page."""

import re
import subprocess
import sys
from pathlib import Path

import recommender
from recommender import errors

ROOT = Path(__file__).resolve().parents[2]


def test_the_public_names() -> None:
    assert sorted(recommender.__all__) == recommender.__all__
    assert set(recommender.__all__) == {
        "Article",
        "Chunk",
        "Embedder",
        "PassagePair",
        "ReadmoreError",
        "Recommender",
        "Related",
        "RelatedList",
        "SentenceTransformerEmbedder",
        "similarity",
    }
    for name in recommender.__all__:
        assert getattr(recommender, name).__doc__, f"{name} has no docstring"


def test_the_error_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"^ {4}([│├└─ ]*)(\w+)", str(errors.__doc__), re.MULTILINE)
    stack: list[str] = []
    for indent, name in drawn:
        del stack[len(indent) // 4 :]
        parent = getattr(errors, name).__bases__[0].__name__
        assert parent == (stack[-1] if stack else "Exception"), name
        stack.append(name)
    ours = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.ReadmoreError)}
    assert {name for _, name in drawn} == ours
    codes = [kind.code for name in ours if hasattr(kind := getattr(errors, name), "code")]
    assert len(set(codes)) >= len(ours) - 1  # InvalidArticle takes its code from the fault


def test_importing_is_light() -> None:
    heavy = "{'torch', 'transformers', 'fastapi', 'faiss', 'pydantic', 'index', 'service'}"
    script = f"import sys, recommender; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_readme_tells_the_size_of_torch_before_the_first_command() -> None:
    before, command, _ = (ROOT / "README.md").read_text(encoding="utf-8").partition("```sh\n")
    assert command
    assert "torch" in before
    assert len(before.splitlines()) < 25


def test_make_help_lists_the_targets() -> None:
    said = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = ["install", "programs", "check", "test", "cluster", "fix", "demo", "build", "serve", "bench", "reference", "pictures", "help"]
    assert [line.split()[1] for line in said.splitlines()] == targets
