"""Read one page pasted from a site into a text file."""

from collections.abc import Iterator
from pathlib import Path

from index.ingest.readers.site_dumps import refuse_dump
from index.ingest.record import Record, Reject
from recommender.errors import InvalidArticle
from recommender.text.pasted_page import parse_page


def read(path: Path) -> Iterator[Record | Reject]:
    """Yield the page as one record. Its id is the file's name without the extension.

    Raises:
        InputError: The file is the export of a site.
    """
    try:
        raw = path.read_bytes()
        refuse_dump(raw, path)
        page = parse_page(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        yield Reject(str(path), 1, path.stem, "bad_encoding", f"byte {error.start} is not UTF-8 - convert the file to UTF-8")
    except InvalidArticle as error:
        yield Reject(str(path), 1, path.stem, error.code, str(error))
    else:
        yield Record(
            str(path),
            1,
            {
                "id": path.stem,
                "title": page.title,
                "text": page.text,
                "published": page.updated and page.updated.isoformat(),
                "read_more": list(page.read_more),
            },
        )
