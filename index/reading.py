"""The first stage of a build: from files to articles in chunks; what cannot be used goes to `rejects.jsonl`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from index import corpus
from index.corpus.record import Reject
from index.corpus.validation import to_article
from index.report import Report
from recommender.chunking import MAX_TEXT, chunk_article, embedding_text
from recommender.embedding import Embedder
from recommender.errors import InputError, InvalidArticle, TooManyRejects
from recommender.types import Article, Chunk

REJECTS = "rejects.jsonl"


def read_articles(
    sources: Sequence[str], names: Mapping[str, str], rejects: Path, embedder: Embedder, report: Report
) -> Iterator[tuple[Article, list[Chunk]]]:
    """The articles that can be used, and their chunks; the others go to `rejects.jsonl`."""
    seen: dict[str, str] = {}
    unseen_names = set(names.values())
    fields: Mapping[str, Any] = {}
    with rejects.open("w", encoding="utf-8") as file:

        def reject(entry: Reject) -> None:
            (report.dropped_fields if entry.field else report.rejected)[entry.code] += 1
            file.write(json.dumps(asdict(entry)) + "\n")

        for record in chain.from_iterable(corpus.read(source, names) for source in sources):
            report.n_read += 1
            if isinstance(record, Reject):
                reject(record)
                continue
            fields = record.fields
            unseen_names.difference_update(fields)
            where = f"{record.file}:{record.line}"
            try:
                article, dropped = to_article(record)
                if article.id in seen:
                    raise InvalidArticle("duplicate_id", f"{where} has the id of {seen[article.id]} - give each article an id of its own")
                chunks = chunk_article(article, embedder)
                if not chunks:
                    raise InvalidArticle("empty_text", f"the model knows no word of the first {MAX_TEXT} characters - check the encoding")
            except InvalidArticle as error:
                given = fields.get("id")
                reject(Reject(record.file, record.line, None if given is None else str(given)[:512], error.code, str(error)))
                continue
            seen[article.id] = where
            for entry in dropped:
                reject(entry)
            _count(article, chunks, embedder, report)
            yield article, chunks
    if unseen_names and fields:
        raise InputError(f"no article has a field {sorted(unseen_names)[0]!r}; the fields are {', '.join(map(str, fields))} - check --map")


def _count(article: Article, chunks: Sequence[Chunk], embedder: Embedder, report: Report) -> None:
    report.n_articles += 1
    report.n_chunks += len(chunks)
    report.n_without_title += not article.title
    report.n_capped += len(article.text) > MAX_TEXT
    report.n_truncated += sum(
        len(embedder.token_spans(embedding_text(article.title, chunk.text, embedder))) > embedder.max_tokens for chunk in chunks
    )


def check_rejects(report: Report, strict: bool, max_rejects: float, sources: Sequence[str], rejects: Path) -> None:
    """Stop a build of which too much was rejected, or that has no article.

    Raises:
        TooManyRejects, InputError: See `build_index`.
    """
    n_rejected = report.rejected.total()
    by_code = ", ".join(f"{count} {code}" for code, count in report.rejected.most_common())
    if n_rejected and (strict or n_rejected > max_rejects * report.n_read):
        limit = "--strict allows none" if strict else f"--max-rejects allows {max_rejects:.3g} of them"
        raise TooManyRejects(
            f"{n_rejected} of {report.n_read} articles are rejected ({by_code}), {limit}; nothing was published - see {rejects}"
        )
    if not report.n_articles:
        raise InputError(f"no article in {', '.join(sources)} - give a file with at least one; the index is as it was")
