"""Chunks are slices, cover every word once, and fit the model, whatever the text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import Article, SentenceTransformerEmbedder
from recommender.text.chunking import MAX_TEXT, chunk_article, embedding_text
from tests.support.hash_embedder import HashEmbedder

TOKENIZER = HashEmbedder()
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=40)
texts = st.lists(
    st.sampled_from(["harbour", "élan", "東京都。", "is.", "Why?", "\n\n", "Donaudampfschifffahrtsgesellschaft", "1,234.5"]) | words
).map(" ".join)


def assert_sound(article: Article, tokenizer: HashEmbedder | SentenceTransformerEmbedder) -> None:
    chunks = chunk_article(article, tokenizer)
    text = article.text[:MAX_TEXT]
    spans = tokenizer.token_spans(text)
    for position, chunk in enumerate(chunks):
        assert chunk.position == position
        assert article.text[chunk.start : chunk.end] == chunk.text
        assert chunk.text == chunk.text.strip()
        assert len(tokenizer.token_spans(embedding_text(article.title, chunk.text, tokenizer))) <= tokenizer.max_tokens
    covered = np.zeros(len(text), dtype=int)
    for chunk in chunks:
        covered[chunk.start : chunk.end] += 1
    assert covered.max(initial=0) <= 1
    assert all(covered[start:end].all() for start, end in spans), "a token is in no chunk"


@given(texts, texts)
def test_chunks_are_slices_that_cover_every_word_and_fit(title: str, text: str) -> None:
    assert_sound(Article("a", title, text), TOKENIZER)


@pytest.mark.parametrize("title", ["", "A title", "A title that never ends " * 60])
@pytest.mark.parametrize(
    "text",
    [
        "One sentence.",
        "A sentence. " * 300,
        "no full stop at all " * 300,
        "wordwithoutspaces" * 400,
        "日本語の文章です。" * 200,
        "“Quoted.” He said (so). " * 100 + "\n\n\n" + "Ω≈ç√∫ 😀👩‍👩‍👧 ﷽ " * 50,
    ],
)
def test_with_the_real_tokenizer(title: str, text: str, model: SentenceTransformerEmbedder) -> None:
    assert_sound(Article("a", title, text), model)


def test_breaks_at_sentences_and_fills_evenly() -> None:
    sentence = "one two three four five six seven."  # 8 tokens
    chunks = chunk_article(Article("a", "", " ".join([sentence] * 7)), TOKENIZER)  # 56 tokens: three chunks of 24
    assert [chunk.text.count("one") for chunk in chunks] == [3, 2, 2] or [chunk.text.count("one") for chunk in chunks] == [3, 3, 1]
    assert max(len(chunk.text) for chunk in chunks) <= 3 * len(sentence) + 2
    assert all(chunk.text.startswith("one") and chunk.text.endswith("seven.") for chunk in chunks)


def test_a_title_alone_is_one_empty_chunk_and_nothing_is_none() -> None:
    assert [(chunk.start, chunk.end, chunk.text) for chunk in chunk_article(Article("a", "Only a title", ""), TOKENIZER)] == [(0, 0, "")]
    assert chunk_article(Article("a", "", " \n "), TOKENIZER) == []


def test_a_huge_article_is_capped() -> None:
    chunks = chunk_article(Article("a", "", "word " * 100_000), TOKENIZER)
    assert MAX_TEXT - 10 <= chunks[-1].end <= MAX_TEXT


def test_the_model_reads_every_chunk_to_its_end(model: SentenceTransformerEmbedder) -> None:
    """What the model drops in silence is what this cutting is for: the last words must change the vector."""
    article = Article("a", "A title", "The council met on Tuesday to talk about the budget for roads. " * 40)
    for chunk in chunk_article(article, model):
        text = embedding_text(article.title, chunk.text, model)
        changed = text.rsplit(" ", 3)[0] + " penguins eat krill."
        assert float(model.embed([text])[0] @ model.embed([changed])[0]) < 0.9999
