"""Write the map as a table in the format that embedding-atlas opens."""

from pathlib import Path

from recommender.errors import InputError
from recommender.installation import not_installed
from scripts.archive_map.layout import Places
from scripts.archive_map.map_contents import ELSEWHERE, Contents
from scripts.report.report_page import web_url


def write_table(path: Path, contents: Contents, places: Places) -> None:
    """Write Parquet with one row per article: id, title, url, section, published, x, y, neighbors.

    `neighbors` follows embedding-atlas: the row numbers of the list's articles, and distances, here 1 - score. List
    items that are not on the map are left out.

    Raises:
        InputError: pyarrow is not installed.
        OSError: The file cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise InputError(not_installed("pyarrow", "parquet")) from error
    neighbours = []
    for lines, scores in zip(contents.lines, contents.scores, strict=True):
        there = lines < ELSEWHERE
        neighbours.append({"ids": lines[there].tolist(), "distances": (1 - scores[there]).tolist()})
    table = pa.table(
        {
            "id": [card.id for card in contents.cards],
            "title": [card.title or card.id for card in contents.cards],
            "url": pa.array([web_url(card.url) for card in contents.cards], pa.string()),
            "section": pa.array([card.section for card in contents.cards], pa.string()),
            "published": pa.array([card.published for card in contents.cards], pa.timestamp("us", "UTC")),
            "x": places[:, 0],
            "y": places[:, 1],
            "neighbors": pa.array(neighbours, pa.struct({"ids": pa.list_(pa.int64()), "distances": pa.list_(pa.float64())})),
        }
    )
    pq.write_table(table, path)
