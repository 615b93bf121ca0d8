"""Read the corpus inside every Python: the help topics, with the related topics that Python's editors chose by hand.

`help("SEQUENCES")` prints a text and then "Related help topics: ...". The texts are in `pydoc_data.topics`. The lists
are in `pydoc.Helper.topics`, where a name denotes a text, another name, or a keyword or module of Python.
"""

import pydoc
import re
from collections.abc import Iterator
from pydoc_data.topics import topics as texts

from index.ingest.record import Record

UNDERLINE = re.compile(r"^[*=~^-]{3,}\n", re.MULTILINE)


def read() -> Iterator[Record]:
    """Yield the topics as records, by name."""
    lists = _related_topics()
    for line, (label, topic) in enumerate(sorted(texts.items()), start=1):
        title, _, text = UNDERLINE.sub("", topic).partition("\n")
        yield Record("pydoc-topics", line, {"id": label, "title": title, "text": text, "lang": "en", "read_more": lists.get(label, [])})


def _related_topics() -> dict[str, list[str]]:
    """Return the label of each text -> labels of its related texts, in the editors' order."""
    lists: dict[str, list[str]] = {}
    for entry in pydoc.Helper.topics.values():
        if isinstance(entry, tuple):
            label, names = entry
            found = [related for name in names.split() if (related := _label(name)) in texts and related != label]
            lists[label] = list(dict.fromkeys([*lists.get(label, []), *found]))
    return lists


def _label(name: str) -> str:
    """Return the label of the text that a name denotes, or an empty string if it denotes none."""
    entry = pydoc.Helper.topics.get(name) or pydoc.Helper.keywords.get(name) or ""
    if isinstance(entry, tuple):
        return entry[0]
    return _label(entry) if entry else ""
