"""Run the first two stages of a build: merge the sources into an archive, then chunk its articles."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from index.archive.merged_archive import MergedArchive
from index.build_report import BuildReport
from index.ingest.checking import CheckedRecord
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

OnDuplicate = Literal["first", "last", "error"]
"""Policy for several articles with one id: keep the first or the last, or stop the build."""


def read_sources(
    records: Iterable[CheckedRecord],
    names: Mapping[str, str],
    on_duplicate: OnDuplicate,
    whole: bool,
    allow_truncated: bool,
    incoming: MergedArchive,
    rejects: Rejects,
    report: BuildReport,
) -> Iterator[int]:
    """Put the articles of all sources into the merged archive, and yield the number of records read so far.

    Args:
        names: Our field name -> the name that the field has in the sources.
        whole: Whether the sources are the whole archive. If so, no source may be truncated.
        allow_truncated: Read a truncated source up to the point where it breaks off.

    Raises:
        InputError: A source cannot be read or is truncated. Or no record has a mapped name. Or two articles share an id
            and `on_duplicate` is "error".
    """
    unseen_names = set(names.values())
    fields: Sequence[str] = ()
    for record in records:
        if record.note is not None:
            _note(record.note, incoming, report)
            continue
        report.n_read += 1
        yield report.n_read
        fields = record.names or fields
        unseen_names.difference_update(record.names)
        if record.article is not None:
            _take(record, record.article, on_duplicate, incoming, rejects)
            continue
        if record.withdrawn is not None:
            incoming.withdraw(record.withdrawn)
            report.n_withdrawn += 1
        for reject in record.rejects:
            rejects.write(reject)
            if reject.cut and whole:
                raise InputError(
                    f"{reject.file} ends too early at {reject.line} ({reject.code}), and --delete-missing would remove all that it lacks"
                    " - give the whole file; the index is as it was"
                )
            if reject.cut and not allow_truncated:
                before = ", or take what stands before with --allow-truncated" if reject.line > 1 else ""
                raise InputError(
                    f"{reject.file} cannot be read from {reject.line} on ({reject.code}): {reject.reason}{before}; the index is as it was"
                )
    if unseen_names and fields:
        raise InputError(f"no article has a field {sorted(unseen_names)[0]!r}; the fields are {', '.join(map(str, fields))} - check --map")


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


def _take(record: CheckedRecord, article: Article, on_duplicate: OnDuplicate, incoming: MergedArchive, rejects: Rejects) -> None:
    """Put one article into the merged archive."""
    place = f"{record.file}:{record.line}"
    there = incoming.place_of(article.id)
    if there is not None:
        if on_duplicate == "error":
            raise InputError(f"{place} has the id {article.id[:100]!r} of {there} - give each article its own, or --on-duplicate last")
        loser, winner = (place, there) if on_duplicate == "first" else (there, place)
        rejects.write(_reject(loser, article.id, "duplicate_id", f"{loser} has the id of {winner} - give each article an id of its own"))
    for entry in record.rejects:
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


def check_rejects(report: BuildReport, strict: bool, max_rejects: float, sources: Sequence[str], rejects: Rejects) -> None:
    """Stop a build that has no article or in which too many articles were rejected.

    Raises:
        TooManyRejects, InputError: See `build_index`.
    """
    n_rejected = report.rejected.total()
    by_code = ", ".join(f"{count} {code}" for code, count in report.rejected.most_common())
    if n_rejected and (strict or n_rejected > max_rejects * report.n_read):
        limit = "--strict allows none" if strict else f"--max-rejects allows {max_rejects:.3g} of them"
        raise TooManyRejects(
            f"{n_rejected} of {report.n_read} articles are rejected ({by_code}), {limit}; nothing was published - see {rejects.path}"
        )
    if report.n_read == n_rejected:
        passed = "; ".join(f"{count:,} {reason}" for reason, count in report.passed_over.most_common(REASONS))
        raise InputError(
            f"no article in {', '.join(sources)}{passed and f' is public ({passed})'}"
            f" - {'--include-status lets in what it names' if passed else 'give a file with at least one'}; the index is as it was"
        )
