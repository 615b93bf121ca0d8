"""Quantize the compiled model to 8-bit integers.

It is done only for archives large enough to repay it, and only if the lists stay the same.

    graph in floats -> NNCF, calibrated on chunks of the archive -> two small indexes of some of its articles
    -> comparison of their lists

docs/benchmarks.md gives the measured gain and the measured changes.
"""

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np

from index.encoder.openvino_export import new_encoder, parity, quiet, write_card
from index.lists.inputs import BuildInputs, prepare
from index.lists.nearest import find_neighbours
from index.lists.related_lists import related_lists
from index.release.catalogue_writer import CatalogueWriter
from index.terms.analysis import digests, spans_of
from index.terms.inverted_index_writer import LexicalWriter
from index.terms.sentences import SentenceWriter
from index.vectors.embedding_cache import EmbeddingCache
from index.vectors.vector_writer import write_chunks, write_tiers
from index.workers.processes import ALONE
from recommender.embedding.embedder import Embedder
from recommender.embedding.openvino import GRAPH, TOKENIZER, CompiledEmbedder, encoder_folder
from recommender.errors import ModelError
from recommender.installation import not_installed
from recommender.release.list_codec import unpack
from recommender.release.manifest import CANARIES, CATALOGUE, FLOAT, INT8
from recommender.text.chunking import embedding_text
from recommender.types import Article, Chunk, Vectors

LEAST_CHUNKS = 10_000
"""Number of new chunks from which quantization pays.

Calibration and comparison take about as long as they save on 10,000 chunks.
"""

QUANTIZING = 4 << 30
"""Bytes of memory that quantization needs. Calibration takes 3.3 GB at its peak."""

CALIBRATION, SHORT = 100, (60, 120, 200)
"""Number of chunks that calibrate the integer ranges, and the lengths in characters of the shortened chunks."""

SMOOTHING = 0.85
"""Share of the activations' outliers moved into the weights (SmoothQuant: Xiao et al., 2023).

A higher share than NNCF's default is better for short texts.
"""

CANARY_COSINE = 0.99
OVERLAP, LINES = 0.95, 5
"""Minimum mean overlap of the top lines of the lists, and the number of lines compared."""

RUNS, RUN = 8, 50
"""Number of runs and articles per run for the comparison.

A run is a series of neighbours by id. Neighbours often share a date, so they are often related.
"""

log = logging.getLogger(__name__)


def integers_if_worth_it(embedder: Embedder, index_dir: Path, writer: CatalogueWriter) -> Embedder:
    """Return the quantized model if it is worth its cost and leaves the lists unchanged, else the given model.

    Args:
        writer: The catalogue writer that holds all articles and their chunks.
    """
    if not isinstance(embedder, CompiledEmbedder) or embedder.precision != FLOAT or writer.n_chunks < LEAST_CHUNKS:
        return embedder
    with closing(EmbeddingCache(index_dir / "cache", embedder, embedder.embed(CANARIES))) as cache:
        if 2 * len(cache) > writer.n_chunks:  # most chunks are already embedded in floats
            return embedder
    try:
        return quantize(embedder, encoder_folder(index_dir, embedder.sha256, INT8), writer.sample(RUNS, RUN))
    except ModelError as error:
        log.warning("%s; it embeds in floats", error)
        return embedder


def quantize(reference: CompiledEmbedder, folder: Path, sample: Sequence[tuple[Article, list[Chunk]]]) -> CompiledEmbedder:
    """Quantize a compiled model, compare its lists, and install it atomically.

    Args:
        sample: Articles of the archive and their chunks.

    Raises:
        ModelError: NNCF is not installed, or the vectors or the lists differ too much from the reference's.
    """
    texts = [embedding_text(article.title, chunk.text, reference) for article, chunks in sample for chunk in chunks]
    with new_encoder(folder) as made:
        _quantize(reference, _calibration(texts), made)
        integers = CompiledEmbedder(write_card(made, reference, INT8, 0.0))
        cosine = parity(reference, integers, CANARIES)
        overlap = _overlap(_lists(sample, reference.embed(texts)), _lists(sample, integers.embed(texts)))
        if not (cosine >= CANARY_COSINE and overlap >= OVERLAP):
            raise ModelError(f"in integers, {reference.name} gives other lists (canary cosine {cosine:.4f}, lists' overlap {overlap:.3f})")
        write_card(made, reference, INT8, cosine)
    return CompiledEmbedder(folder)


def _calibration(texts: Sequence[str]) -> list[str]:
    """Return some of the texts, every second one shortened to resemble drafts and titles."""
    chosen = texts[:: max(1, len(texts) // CALIBRATION)][:CALIBRATION]
    return [text[: SHORT[place // 2 % len(SHORT)]] if place % 2 else text for place, text in enumerate(chosen)]


def _quantize(reference: CompiledEmbedder, texts: Sequence[str], made: Path) -> None:
    os.environ["NNCF_CI"] = "1"  # otherwise NNCF may send telemetry
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf
        import openvino
    except ModuleNotFoundError as error:
        raise ModelError(not_installed(str(error.name), "build")) from None
    graph = openvino.Core().read_model(reference.folder / GRAPH)
    calibration = nncf.Dataset([reference.inputs(text) for text in texts])
    smooth = nncf.AdvancedQuantizationParameters(smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTHING))
    with warnings.catch_warnings(), quiet(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        made_of_integers = nncf.quantize(
            graph, calibration, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(texts), advanced_parameters=smooth
        )
    openvino.save_model(made_of_integers, made / GRAPH, compress_to_fp16=False)
    shutil.copyfile(reference.folder / TOKENIZER, made / TOKENIZER)


def _lists(sample: Sequence[tuple[Article, list[Chunk]]], vectors: Vectors) -> list[set[int]]:
    """Return the first lines of every article's list, as if the sample were the archive."""
    with tempfile.TemporaryDirectory() as folder, closing(CatalogueWriter(Path(folder) / CATALOGUE)) as writer:
        with closing(LexicalWriter(Path(folder))) as lexical_writer, closing(SentenceWriter(Path(folder))) as sentence_writer:
            articles = ((replace(article, read_more=()), spans_of(chunks)) for article, chunks in sample)
            for digest in digests(writer.add_all(articles), ALONE):
                sentence_writer.extend(digest.sentences, lexical_writer.extend(digest.words))
            lexical_writer.write()
        writer.commit()
        write_chunks([vectors], len(vectors), vectors.shape[1], Path(folder))
        staged = BuildInputs(Path(folder), len(sample))
        write_tiers(staged.layout, staged.folder)
        prepare(staged, len(lexical_writer.numbers))
        for _ in find_neighbours(staged, ALONE):
            pass
        writer.add_hubness(staged.near.hubness())
        lists = dict(related_lists(BuildInputs(Path(folder), len(sample)), np.zeros(len(sample), dtype=np.bool_), ALONE))
        return [set(unpack(lists[row])["article"][:LINES].tolist()) for row in range(len(sample))]


def _overlap(before: Sequence[set[int]], after: Sequence[set[int]]) -> float:
    """Return the mean share of the lines that remain in the lists."""
    return float(np.mean([len(old & new) / len(old) if old else 1.0 for old, new in zip(before, after, strict=True)]))
