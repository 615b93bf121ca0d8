# syntax=docker/dockerfile:1
# Serves an index from /index, and holds the build command too:
#
#   docker build -t readmore .
#   docker run --rm -v "$PWD/articles:/articles:ro" -v readmore:/index readmore scripts/build_index.py /articles/archive.jsonl --out /index
#   docker run -p 8000:8000 -v readmore:/index:ro readmore
#
# This file is linted with the rest; no container engine has built it yet.
# The default index of packages gives torch with CUDA, several GB of it. For a CPU build pass the address of torch's
# own CPU index: --build-arg PIP_EXTRA_INDEX_URL=...
FROM python:3.11-slim-bookworm AS install
ARG PIP_EXTRA_INDEX_URL=""
# milvus, postgres, ray and store on top, where more than one machine is at work (docs/scale.md).
ARG EXTRAS="build,eval,parquet,serve"
WORKDIR /readmore
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY recommender recommender
RUN /venv/bin/pip install --no-cache-dir --constraint constraints.txt --editable ".[${EXTRAS}]"

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 readmore && install --directory --owner readmore /index
WORKDIR /readmore
COPY --from=install /venv /venv
COPY --from=install /readmore /readmore
COPY index index
COPY service service
COPY scripts scripts
USER 10001
VOLUME /index
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["/venv/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["/venv/bin/python"]
CMD ["scripts/serve.py", "--index", "/index", "--host", "0.0.0.0"]
