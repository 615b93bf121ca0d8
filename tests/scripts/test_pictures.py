"""The pictures of docs/: one is taken, and has the size and the light that it should have."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from scripts.pictures import PICTURES, SCALE
from tests.scripts.test_commands import assert_error, run
from tests.support.served import ROOT

SEEN = """async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight), pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const pixels = new Uint32Array(pen.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return {size: [canvas.width, canvas.height], colours: new Set(pixels).size, corner: pixels.at(-1) & 0xFF};
}"""
"""Of a picture: its size, how many colours it has, and how much red is in its last pixel."""


def seen(browser: Browser, path: Path) -> Any:
    return browser.new_page().evaluate(SEEN, f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}")


def test_a_picture_is_taken_in_light_and_dark(browser: Browser, demo_index: Path, tmp_path: Path) -> None:
    done = run("pictures", "--topics", demo_index, "--gazette", demo_index, "--out", tmp_path, "--only", "map")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map-dark.png", "map.png"]
    light, dark = (seen(browser, tmp_path / name) for name in ("map.png", "map-dark.png"))
    _, size = PICTURES["map"]
    assert light["size"] == dark["size"] == [size["width"] * SCALE, size["height"] * SCALE]
    assert min(light["colours"], dark["colours"]) > 50, "it is not blank"
    assert light["corner"] > 200 > 50 > dark["corner"]


def test_no_picture_is_taken_into_nothing(demo_index: Path, tmp_path: Path) -> None:
    done = run("pictures", "--topics", demo_index, "--gazette", demo_index, "--out", tmp_path / "gone")
    assert_error(done, 5, "gone is no folder - give one that is there")


@pytest.mark.parametrize("name", [f"{name}{scheme}" for name in PICTURES for scheme in ("", "-dark")])
def test_the_pictures_of_docs_are_there_and_small(name: str) -> None:
    assert 10_000 < (ROOT / "docs" / f"{name}.png").stat().st_size < 150_000
