"""Normalize URLs, so that all spellings of one page's address are equal."""

from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

TRACKING = frozenset(["fbclid", "gclid", "dclid", "gbraid", "wbraid", "msclkid", "twclid", "yclid", "igshid", "mc_cid", "mc_eid", "_ga"])
"""Parameters that tell where a reader came from. Parameters that begin with `utm_` do too."""


def url_key(url: str) -> str:
    """Return the common key of all spellings of one page's address.

    The key has the host without `www.`, the path without a last slash, and the query without tracking parameters.

    >>> url_key("HTTPS://www.Example.org:443/2018/parade/?utm_source=x&page=2#top")
    'example.org/2018/parade?page=2'
    """
    try:
        parts = urlsplit(url)
        port = "" if parts.port in (None, 80, 443) else f":{parts.port}"
    except ValueError:
        return url
    host = (parts.hostname or "").removeprefix("www.")
    asked = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if not _tracks(name)]
    return f"{host}{port}{unquote(parts.path).rstrip('/')}{'?' if asked else ''}{urlencode(asked)}"


def _tracks(name: str) -> bool:
    return name.startswith("utm_") or name in TRACKING
