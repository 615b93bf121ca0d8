"""Make ids unique across sites that number their articles from 1, as WordPress does.

Two such sites give one number to two articles. One site keeps its numbers: the site whose numbers an index holds, or in
a new index the site that is read first. So an index keeps its ids, and the site's own hooks need no change. Ids of
every other site begin with its address: `blog.example:12`.
"""

import logging
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from index.ingest.record import Record

log = logging.getLogger(__name__)

LEAST = 0.01
"""Share of the numbered articles that are a site's own: fewer are links to pages of another site."""


class Sites:
    """The sites of one build.

    Args:
        prefix: The prefix of the ids of all numbered articles. None: see above.
        urls: URLs of articles in the index whose ids are bare numbers.
    """

    def __init__(self, prefix: str | None = None, urls: Iterable[str] = ()) -> None:
        self._prefix = prefix
        self._at_home = [address(url) for url in urls]
        self._prefixes: dict[str, str] = {}

    def unique(self, record: Record) -> Record:
        """Return the record with ids that no other site gives, for itself and in its list."""
        prefix = self._prefix_of(record.site) if record.site else ""
        if not prefix:
            return record
        listed = {"read_more": [f"{prefix}{name}" for name in record.fields["read_more"]]} if "read_more" in record.fields else {}
        return record.changed(id=f"{prefix}{record.fields['id']}", **listed)

    def _prefix_of(self, site: Sequence[str]) -> str:
        if self._prefix is not None:
            return self._prefix
        own = address(site[0])
        if own not in self._prefixes:
            is_home = "" not in self._prefixes.values() and self._is_home(site)
            self._prefixes[own] = "" if is_home else f"{own}:"
            if not is_home:
                log.info("ids of %s begin with '%s:', for another site has the bare numbers; is it the same site? --id-prefix ''", own, own)
        return self._prefixes[own]

    def _is_home(self, site: Sequence[str]) -> bool:
        """Return True if the index holds articles of a site under bare numbers, or of no site."""
        starts = tuple(f"{address(url)}/" for url in site)
        n_own = sum(f"{url}/".startswith(starts) for url in self._at_home)
        return n_own >= LEAST * len(self._at_home) and (n_own > 0 or not self._at_home)


def address(url: str) -> str:
    """Return the host and path of a URL, without scheme, `www.` and trailing slash.

    >>> address("https://www.news.example/sports/")
    'news.example/sports'
    """
    try:
        parts = urlsplit(url.strip())
        return (parts.hostname or "").removeprefix("www.") + parts.path.rstrip("/")
    except ValueError:  # no address
        return ""
