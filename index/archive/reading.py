"""Run the first two stages of a build: merge the sources into an archive, then chunk its articles."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.archive.merged_archive import MergedArchive
from index.build_options import BuildOptions, OnDuplicate
from index.build_report import BuildReport
from index.ingest.checking import Checked, CheckedArticle, Withdrawal
from index.ingest.record import Mended, PassedOver, Reject
from index.ingest.rejects import Rejects
from index.ingest.validation import to_id
from index.terms.analysis import Spans, spans_of
from recommender.embedding.embedder import Embedder
from recommender.errors import InputError, InvalidArticle, TooManyRejects
from recommender.features.article_features import OFFSETS, SPANS
from recommender.storage.mapped import mapped
from recommender.text.chunking import MAX_TEXT, chunk_article
from recommender.types import Article


@dataclass(frozen=True, slots=True)
class KnownChunks:
    """The chunks of the serving release's articles.

    Attributes:
        offsets: int64 (n_articles + 1,), the first chunk of each article.
        spans: int32 (n_chunks, 2), first and last character of each chunk.
    """

    offsets: NDArray[np.int64]
    spans: NDArray[np.int32]

    @classmethod
    def of_release(cls, folder: Path) -> "KnownChunks":
        return cls(mapped(folder / OFFSETS), mapped(folder / SPANS))

    def of(self, row: int) -> Spans:
        """Return the chunks of an article whose text equals that of a release's row."""
        spans: Spans = self.spans[self.offsets[row] : self.offsets[row + 1]].tolist()
        return spans


REASONS = 5
"""Number of rejection reasons that a message names."""


def read_sources(
    records: Iterable[Checked], options: BuildOptions, incoming: MergedArchive, rejects: Rejects, report: BuildReport
) -> Iterator[int]:
    """Put the articles of all sources into the merged archive, and yield the number of records read so far.

    If the sources are the whole archive (`delete_missing`), no source may be truncated.

    Raises:
        InputError: A source cannot be read or is truncated. Or no record has a mapped name. Or two articles share an id
            and `on_duplicate` is "error".
    """
    unseen_names = set(options.names.values())
    fields: Sequence[str] = ()
    for record in records:
        if isinstance(record, PassedOver | Mended):
            _note(record, incoming, report)
            continue
        report.n_read += 1
        yield report.n_read
        fields = record.names or fields
        unseen_names.difference_update(record.names)
        if isinstance(record, CheckedArticle):
            _take(record, options.on_duplicate, incoming, rejects)
        elif isinstance(record, Withdrawal):
            incoming.withdraw(record.article_id)
            report.n_withdrawn += 1
        else:
            rejects.write(record.reject)
            if record.reject.cut:
                _check_cut(record.reject, options)
    if unseen_names and fields:
        raise InputError(f"no article has a field {sorted(unseen_names)[0]!r}; the fields are {', '.join(map(str, fields))} - check --map")


def _check_cut(reject: Reject, options: BuildOptions) -> None:
    """Stop a build whose source is truncated, unless the options allow it."""
    if options.delete_missing:
        raise InputError(
            f"{reject.file} ends too early at {reject.line} ({reject.code}), and --delete-missing would remove all that it lacks"
            " - give the whole file; the index is as it was"
        )
    if not options.allow_truncated:
        before = ", or take what stands before with --allow-truncated" if reject.line > 1 else ""
        raise InputError(
            f"{reject.file} cannot be read from {reject.line} on ({reject.code}): {reject.reason}{before}; the index is as it was"
        )


def _note(note: PassedOver | Mended, incoming: MergedArchive, report: BuildReport) -> None:
    """Count a record that is not read.

    An article that is no longer public leaves the index, unless a source also gives it as public.
    """
    if isinstance(note, Mended):
        report.mended[note.fault] += note.count
        return
    report.passed_over[note.reason] += 1
    if note.known and note.id is not None:
        with suppress(InvalidArticle):
            incoming.pass_over(to_id(note.id, {}))


def _take(record: CheckedArticle, on_duplicate: OnDuplicate, incoming: MergedArchive, rejects: Rejects) -> None:
    """Put one article into the merged archive."""
    article, place = record.article, f"{record.file}:{record.line}"
    there = incoming.place_of(article.id)
    if there is not None:
        if on_duplicate == "error":
            raise InputError(f"{place} has the id {article.id[:100]!r} of {there} - give each article its own, or --on-duplicate last")
        loser, winner = (place, there) if on_duplicate == "first" else (there, place)
        rejects.write(_reject(loser, article.id, "duplicate_id", f"{loser} has the id of {winner} - give each article an id of its own"))
    for entry in record.dropped:
        rejects.write(entry)
    if there is None or on_duplicate == "last":
        incoming.put(article, place, record.spans)


def read_articles(
    incoming: MergedArchive, known: KnownChunks | None, embedder: Embedder, rejects: Rejects, report: BuildReport
) -> Iterator[tuple[Article, Spans]]:
    """Yield the articles of the merged archive and their chunks, in order of ids.

    Args:
        known: The chunks of the serving release, if the model would chunk the same way.
    """
    for article, place, same, spans in incoming.articles():
        if known is not None and same is not None:
            spans = known.of(same)
        elif spans is None:
            spans = spans_of(chunk_article(article, embedder))
        if not spans:
            reason = f"the model knows no word of the first {MAX_TEXT} characters - check the encoding"
            rejects.write(_reject(place, article.id, "empty_text", reason))
            continue
        _count(article, spans, report)
        yield article, spans


def _reject(place: str, article_id: str, code: str, reason: str) -> Reject:
    file, _, line = place.rpartition(":")
    return Reject(file, int(line), article_id, code, reason)


def _count(article: Article, spans: Spans, report: BuildReport) -> None:
    report.n_articles += 1
    report.n_chunks += len(spans)
    report.n_without_title += not article.title
    report.n_capped += len(article.text) > MAX_TEXT


def check_rejects(report: BuildReport, options: BuildOptions, rejects: Rejects) -> None:
    """Stop a build that has no article or in which too many articles were rejected.

    Raises:
        TooManyRejects, InputError: See `build_index`.
    """
    n_rejected = report.rejected.total()
    by_code = ", ".join(f"{count} {code}" for code, count in report.rejected.most_common())
    if n_rejected and (options.strict or n_rejected > options.max_rejects * report.n_read):
        limit = "--strict allows none" if options.strict else f"--max-rejects allows {options.max_rejects:.3g} of them"
        raise TooManyRejects(
            f"{n_rejected} of {report.n_read} articles are rejected ({by_code}), {limit}; nothing was published"
            f" - the first: {rejects.first}; all: {rejects.path}"
        )
    if report.n_read == n_rejected:
        passed = "; ".join(f"{count:,} {reason}" for reason, count in report.passed_over.most_common(REASONS))
        raise InputError(
            f"no article in {', '.join(options.sources)}{passed and f' is public ({passed})'}"
            f" - {'--include-status lets in what it names' if passed else 'give a file with at least one'}; the index is as it was"
        )
