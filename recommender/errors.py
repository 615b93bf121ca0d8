"""Define every error Readmore raises, in one tree.

    ReadmoreError
    ├── InputError              the input cannot be used
    │   ├── InvalidArticle      one article: empty text, wrong type, bad URL
    │   ├── InvalidOverride     a pin or block that contradicts itself or is out of range
    │   ├── OutOfRange          a number outside its range, a ValueError too
    │   └── TooManyRejects      too many rejects, so nothing is published
    ├── ArticleNotFound         no article of this id or URL in the index
    │   └── ArticleWithdrawn    the article was withdrawn
    ├── ModelError              no model, or not the one the index was built with
    ├── StorageError            disk full, folder not writable
    ├── JournalUnavailable      the server of the shared journal does not answer, reading still works
    ├── VectorsUnavailable      the server of the vectors does not answer, lists by id need none
    ├── ClusterUnavailable      the build cluster stopped, the next build resumes from its results
    ├── IndexBusy               another build holds the index
    ├── Interrupted             the caller ended its own work early (`recommender.interruption`)
    └── IndexUnusable           the index cannot serve
        ├── IndexNotFound       there is none
        ├── IndexDamaged        a file is missing, cut or changed
        └── FormatUnsupported   written by another version of Readmore

Every message names the value and the cure. `code` is stable: programs read it, and people read the message.
"""

from pathlib import Path

CURE = "build again with readmore build, or restore the file"
MAY_NOT = "have this user read it, see 'Who may read an index' in docs/operations.md"


class ReadmoreError(Exception):
    """The root of the tree: `except ReadmoreError` catches everything that Readmore raises on purpose."""

    code = "error"


class InputError(ReadmoreError):
    code = "bad_input"


class InvalidArticle(InputError):
    """An article that cannot be used.

    Attributes:
        code: Stable name of the fault, as in `rejects.jsonl`: `empty_text`, `wrong_type`, `bad_url`, ...
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OutOfRange(InputError, ValueError):
    code = "out_of_range"


class InvalidOverride(InputError):
    code = "invalid_override"


class TooManyRejects(InputError):
    code = "too_many_rejects"


class ArticleNotFound(ReadmoreError):
    code = "article_not_found"


class ArticleWithdrawn(ArticleNotFound):
    code = "article_withdrawn"


class ModelError(ReadmoreError):
    code = "model_error"


class StorageError(ReadmoreError):
    code = "storage_error"


class JournalUnavailable(ReadmoreError):
    code = "journal_away"


class VectorsUnavailable(ReadmoreError):
    code = "vectors_away"


class ClusterUnavailable(ReadmoreError):
    code = "cluster_away"


class Interrupted(ReadmoreError):
    code = "interrupted"


class IndexBusy(ReadmoreError):
    code = "index_busy"


class IndexUnusable(ReadmoreError):
    code = "index_unusable"


class IndexNotFound(IndexUnusable):
    code = "index_not_found"


class IndexDamaged(IndexUnusable):
    code = "index_damaged"


class FormatUnsupported(IndexUnusable):
    code = "format_unsupported"


def unreadable(path: Path, error: Exception) -> IndexDamaged:
    """Return the error for a file of an index that cannot be read."""
    reason = type(error).__name__ if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    return IndexDamaged(f"{path} cannot be read ({reason}) - {MAY_NOT if isinstance(error, PermissionError) else CURE}")
