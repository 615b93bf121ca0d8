"""Embed texts with OpenVINO: run the model as a compiled graph, without torch.

The vectors are those of sentence-transformers, computed twice as fast. `index.encoder.openvino_export` exports each
model once into the folder of the index:

    encoders/<first 16 digits of the weights' sha256>-<float or int8>/
        encoder.json      the encoder card, with the sha256 of the other files
        graph.xml, graph.bin
        tokenizer.json
"""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recommender.embedding.embedder import Embedder
from recommender.embedding.sentence_transformer import BUNDLED_MODEL, SentenceTransformerEmbedder, bundled_embedder
from recommender.errors import ModelError
from recommender.installation import not_installed
from recommender.release.manifest import FLOAT, ModelCard, Precision
from recommender.text.chunking import TokenSpans
from recommender.types import Vectors

if TYPE_CHECKING:
    from openvino import AsyncInferQueue

Tokens = NDArray[np.int64]

ENCODERS = "encoders"
ENCODER = "encoder.json"
GRAPH, WEIGHTS, TOKENIZER = FILES = ("graph.xml", "graph.bin", "tokenizer.json")

CURE = "remove the folder, and build again"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncoderCard:
    """The content of `encoder.json`.

    Attributes:
        name, sha256, dim, max_tokens: Those of the source model.
        window: Tokens the graph reads, special tokens and the prompt included.
        precision: Precision of the computation.
        parity: Least cosine between its vectors and those of the source model, over the compared texts.
        files: Name -> sha256.
        prompt: Text before every text.
    """

    name: str
    sha256: str
    dim: int
    max_tokens: int
    window: int
    precision: Precision
    parity: float
    files: dict[str, str]
    prompt: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


class CompiledEmbedder:
    """An `Embedder` whose vectors do not depend on the other texts of a call. Safe to share between threads.

    Every text goes through the graph by itself, so nothing is padded. Each processor embeds one text at a time. That is
    faster here than several processors on one text (docs/benchmarks.md).

    Args:
        folder: Folder that `index.encoder.openvino_export` wrote.

    Raises:
        ModelError: OpenVINO is not installed, or a file is missing or changed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import openvino  # noqa: F401 - so that it is missed at once
            from tokenizers import Tokenizer
        except ModuleNotFoundError as error:
            raise ModelError(not_installed(str(error.name), "serve")) from None
        card = checked_card(folder)
        self.folder, self.precision, self.window = folder, card.precision, card.window
        self.name, self.sha256, self.dim, self.max_tokens = card.name, card.sha256, card.dim, card.max_tokens
        self.prompt = card.prompt
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))  # neither truncates nor pads
        self._lock = threading.Lock()
        threads = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
        self._streams = threads

    def token_spans(self, text: str) -> TokenSpans:
        """Return the start and end character of every token of the text, none dropped."""
        offsets = self._tokenizer.encode_batch([text], add_special_tokens=False)[0].offsets  # unlike `encode`, it releases the GIL
        return np.array(offsets, dtype=np.int64).reshape(-1, 2)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        inputs = self._inputs(texts)
        with self._lock:
            for row in sorted(range(len(inputs)), key=lambda row: -inputs[row][0].size):  # the longest first, so all end together
                if inputs[row][0].size:
                    self._queue.start_async(inputs[row], (vectors, row))
                else:  # a static model knows no token of the text
                    vectors[row] = 0.0
            self._queue.wait_all()
        return vectors

    def inputs(self, text: str) -> list[Tokens]:
        """Return the graph's inputs for a text: ids of its tokens and their mask, each int64 (1, n_tokens)."""
        return self._inputs([text])[0]

    def _inputs(self, texts: Sequence[str]) -> list[list[Tokens]]:
        made = []
        for encoding in self._tokenizer.encode_batch([self.prompt + text.strip() for text in texts]):  # on all processors
            ids = encoding.ids if len(encoding.ids) <= self.window else [*encoding.ids[: self.window - 1], encoding.ids[-1]]
            made.append([np.array([ids], dtype=np.int64), np.ones((1, len(ids)), dtype=np.int64)])
        return made

    @cached_property
    def _queue(self) -> "AsyncInferQueue":
        """Return the graph, loaded with the first text. Counting tokens does not load it."""
        from openvino import AsyncInferQueue, Core

        hints = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": self._streams, "INFERENCE_NUM_THREADS": self._streams}
        queue = AsyncInferQueue(Core().compile_model(self.folder / GRAPH, "CPU", hints), 2 * self._streams)

        def keep(request: Any, place: tuple[Vectors, int]) -> None:
            vectors, row = place
            vectors[row] = request.get_output_tensor(0).data[0]

        queue.set_callback(keep)
        return queue


def encoder_folder(index_dir: Path, sha256: str, precision: Precision) -> Path:
    """Return the folder of the compiled graph of a model."""
    return index_dir / ENCODERS / f"{sha256[:16]}-{precision}"


def encoder_folders(index_dir: Path, model: ModelCard) -> list[Path]:
    """Return the folders of the compiled graphs that may embed for a release, in order of preference."""
    return [encoder_folder(index_dir, model.sha256, precision) for precision in dict.fromkeys((model.precision, FLOAT))]


def compiled_embedder(index_dir: Path, sha256: str, wanted: Sequence[Precision]) -> CompiledEmbedder | None:
    """Return the first compiled graph of a model that exists and is sound, or None."""
    for folder in (encoder_folder(index_dir, sha256, precision) for precision in wanted):
        if (folder / ENCODER).exists():
            try:
                return CompiledEmbedder(folder)
            except ModelError as error:
                log.warning("%s; it is not used", error)
    return None


def embedder_of(index_dir: Path, model: ModelCard) -> Embedder:
    """Return the model of an index: its compiled graph if there is one, else sentence-transformers.

    It never uses the network.

    Raises:
        ModelError: The model is not on this machine.
    """
    compiled = compiled_embedder(index_dir, model.sha256, (model.precision, FLOAT))
    if compiled is not None:
        return compiled
    return bundled_embedder() if model.name == BUNDLED_MODEL else SentenceTransformerEmbedder(model.name, download=False)


def checked_card(folder: Path) -> EncoderCard:
    """Read the card of an encoder and check its files against the card.

    Raises:
        ModelError: A file is missing or changed.
    """
    try:
        card = EncoderCard(**json.loads((folder / ENCODER).read_text(encoding="utf-8")))
        for name in FILES:
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != card.files[name]:
                    raise ModelError(f"{folder / name} was changed - {CURE}")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder} holds no encoder ({error}) - {CURE}") from error
    return card
