"""Export a sentence-transformers model to an OpenVINO graph that runs without torch.

The graph is kept only if it reproduces the model's vectors.
"""

import hashlib
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from index.storage.atomic import sync
from index.storage.permissions import keep_private, make_index_dir, make_private_dir
from recommender.embedding.embedder import Embedder
from recommender.embedding.openvino import (
    ENCODER,
    ENCODERS,
    FILES,
    GRAPH,
    TOKENIZER,
    CompiledEmbedder,
    EncoderCard,
    compiled_embedder,
    encoder_folder,
)
from recommender.embedding.sentence_transformer import BUNDLED_MODEL, SentenceTransformerEmbedder, has_gpu, weights_sha256
from recommender.errors import ModelError
from recommender.installation import not_installed
from recommender.release.manifest import CANARIES, FLOAT, INT8, Manifest, Precision

PARITY = 0.999
"""Minimum cosine between a text's vector and the reference's."""

LONG_TEXT = " ".join(CANARIES) * 20
TEXTS = (*CANARIES, LONG_TEXT, LONG_TEXT[: len(LONG_TEXT) // 24], " x ", "\u5317\u4eac\u5e02\u306e\u65b0\u805e\u3068 \u2014 \U0001f6a2")
"""Texts for the comparison: short texts, one beyond the window, and characters unknown to the tokenizer."""

log = logging.getLogger(__name__)


def fastest_embedder(index_dir: Path, model: str = BUNDLED_MODEL) -> Embedder:
    """Return the compiled graph of a model. Export it on first use and keep it in the index's folder.

    The graph is quantized if a build found that worth its cost (see `index.encoder.int8`). Where no graph can be
    compiled, and on a GPU, return the sentence-transformers model itself.

    Raises:
        ModelError: The model cannot be loaded.
    """
    sha256 = weights_sha256(model)
    compiled = None if has_gpu() else compiled_embedder(index_dir, sha256, (INT8, FLOAT))
    if compiled is not None:
        return compiled
    reference = SentenceTransformerEmbedder(model)
    if reference.on_gpu:
        return reference
    try:
        return compile_model(reference, encoder_folder(index_dir, sha256, FLOAT))
    except OSError:  # the following build reports the folder's problem
        return reference
    except ModelError as error:
        log.warning("%s; sentence-transformers embeds instead", error)
        return reference


def compile_model(reference: SentenceTransformerEmbedder, folder: Path) -> CompiledEmbedder:
    """Export a model, compare its vectors, and install it atomically.

    Raises:
        ModelError: OpenVINO is not installed, it cannot convert the model, or its vectors differ.
        OSError: The folder cannot be written.
    """
    with new_encoder(folder) as made:
        _export(reference, made)
        least = parity(reference, CompiledEmbedder(write_card(made, reference, FLOAT, 0.0)), TEXTS)
        if not least >= PARITY:
            raise ModelError(f"compiled, {reference.name} gives other vectors (cosine {least:.4f})")
        write_card(made, reference, FLOAT, least)
    return CompiledEmbedder(folder)


@contextmanager
def new_encoder(folder: Path) -> Iterator[Path]:
    """Yield a folder for a new encoder, and move it into place atomically if no error is raised.

    Raises:
        OSError: The folder cannot be written.
    """
    make_index_dir(folder.parents[1])
    make_private_dir(folder.parent, folder.parents[1])
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as new:
        made = Path(new) / "encoder"
        made.mkdir()
        try:
            yield made
        except RuntimeError as error:  # OpenVINO reports a full disk as a RuntimeError
            raise OSError(f"{folder} cannot be written") from error
        for path in (*made.iterdir(), made):
            keep_private(path, folder.parents[1])
            sync(path)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
        sync(folder.parent)


def write_card(made: Path, model: SentenceTransformerEmbedder | CompiledEmbedder, precision: Precision, cosine: float) -> Path:
    """Write the description of an encoder whose other files are written."""
    card = EncoderCard(
        name=model.name,
        sha256=model.sha256,
        dim=model.dim,
        max_tokens=model.max_tokens,
        window=model.window,
        precision=precision,
        parity=round(cosine, 6),
        prompt=model.prompt,
        files={name: hashlib.sha256((made / name).read_bytes()).hexdigest() for name in FILES},
    )
    (made / ENCODER).write_text(card.to_json(), encoding="utf-8")
    return made


def prune_encoders(index_dir: Path, kept: Sequence[Manifest]) -> None:
    """Remove the graphs of models that no kept release uses."""
    needed = {encoder_folder(index_dir, manifest.model.sha256, manifest.model.precision) for manifest in kept}
    for folder in (index_dir / ENCODERS).glob("*"):
        if folder not in needed:
            shutil.rmtree(folder, ignore_errors=True)


def _export(reference: SentenceTransformerEmbedder, folder: Path) -> None:
    try:
        import openvino
        import torch
    except ModuleNotFoundError as error:
        raise ModelError(not_installed(str(error.name), "build")) from None

    class Whole(torch.nn.Module):
        """All modules of the model as one function of arrays."""

        def __init__(self) -> None:
            super().__init__()
            self.model = reference.model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            found = {"input_ids": input_ids, "attention_mask": attention_mask}
            if reference.static:  # its own module takes all texts of a batch as one row of tokens
                of_token: Any = self.model[0].embedding
                found["sentence_embedding"] = of_token.weight[input_ids].mean(1)
            for module in list(self.model)[1:] if reference.static else [self.model]:
                found = module(found)
            vectors = torch.nn.functional.normalize(found["sentence_embedding"], p=2, dim=1)
            if reference.centre is not None:
                vectors = torch.nn.functional.normalize(vectors - torch.from_numpy(reference.centre), p=2, dim=1)
            return vectors

    example = torch.ones((2, 16), dtype=torch.int64)
    shape = openvino.PartialShape([-1, -1])
    inputs = [(name, shape, openvino.Type.i64) for name in ("input_ids", "attention_mask")]
    try:
        with warnings.catch_warnings(), torch.no_grad(), quiet():
            warnings.simplefilter("ignore")
            graph = openvino.convert_model(Whole().eval(), example_input={"input_ids": example, "attention_mask": example}, input=inputs)
    except Exception as error:
        raise ModelError(f"{reference.name} cannot be compiled ({type(error).__name__})") from error
    openvino.save_model(graph, folder / GRAPH, compress_to_fp16=False)
    reference.tokenizer.save(str(folder / TOKENIZER))


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the tracer's warnings about branches. The comparison of vectors verifies the result."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def parity(reference: Embedder, compiled: Embedder, texts: Sequence[str]) -> float:
    """Return the least cosine between the two vectors of a text."""
    return float(np.einsum("ij,ij->i", reference.embed(texts), compiled.embed(texts)).min())
