"""Choose the model of an index by the languages of its archive."""

import importlib.util
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from index.encoder.openvino_export import quiet
from index.ingest.checking import CheckedArticle, check_here
from index.ingest.readers.sources import can_be_read_twice, read
from recommender.embedding.multilingual_e5 import MULTILINGUAL_MODEL, PACKAGE
from recommender.embedding.sentence_transformer import BUNDLED_MODEL
from recommender.features.article_features import first_subtag
from recommender.installation import pip_install
from recommender.release.manifest import kept_manifests

READ, STEP = 10_000, 20
"""Number of records read of each source, and every how many of them one is looked at.

Exports are often sorted by language, so the first records alone say nothing.
"""

FOREIGN = 0.1
"""Share of articles in other languages from which an English model does not fit an archive."""

log = logging.getLogger(__name__)


def model_of(index_dir: Path, sources: Sequence[str], names: Mapping[str, str], **reading: Any) -> str:
    """Return the name of the model to build with: the index's own, or the one that fits the languages of the sources.

    all-MiniLM-L6-v2 reads English. Any other archive gets multilingual-e5-small, if its package is installed.

    Args:
        names, reading: See `index.ingest.readers.sources.read`.

    Raises:
        InputError: A source cannot be read.
    """
    manifests = kept_manifests(index_dir)
    if manifests:
        return manifests[0].model.name  # the newest
    languages = languages_of(sources, names, **reading)
    n_foreign = languages.total() - languages["en"]
    if n_foreign <= FOREIGN * languages.total():
        return BUNDLED_MODEL
    named = ", ".join(f"{language} {n}" for language, n in languages.most_common(5))
    if importlib.util.find_spec(PACKAGE) is not None:
        log.info("languages of a sample of the articles: %s; the model is %s", named, MULTILINGUAL_MODEL)
        return MULTILINGUAL_MODEL
    log.warning(
        "languages of a sample of the articles: %s; %s reads English only, so lists follow the words alone where it fails - %s,"
        " or give --model, and build in a new folder",
        named,
        BUNDLED_MODEL,
        pip_install("multilingual"),
    )
    return BUNDLED_MODEL


def languages_of(sources: Sequence[str], names: Mapping[str, str], **reading: Any) -> Counter[str]:
    """Count the languages of a sample of articles, by their first subtag. Articles of unknown language are left out."""
    found: Counter[str] = Counter()
    with quiet():  # the build reads the sources again, and says then how
        for source in filter(can_be_read_twice, sources):
            for checked in check_here(islice(read(source, names, **reading), 0, READ, STEP)):
                if isinstance(checked, CheckedArticle) and checked.article.lang:
                    found[first_subtag(checked.article.lang)] += 1
    return found
