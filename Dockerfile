# syntax=docker/dockerfile:1
# The `readmore` command, which serves /index if it is told nothing else:
#
#   docker build -t readmore .
#   docker run --rm -v "$PWD/articles:/articles:ro" -v readmore:/index readmore build /articles/archive.jsonl --out /index
#   docker run -p 8000:8000 -v readmore:/index:ro readmore
#
# scripts/image.sh builds this file without Docker, and tries the image; docs/install.md has its size.
# The default index of packages gives torch with CUDA, several GB of it. For a CPU build pass the address of torch's
# own CPU index: --build-arg PIP_EXTRA_INDEX_URL=... To serve alone needs no torch: --build-arg EXTRAS=serve
FROM python:3.11-slim-bookworm AS install
ARG PIP_EXTRA_INDEX_URL=""
# milvus, postgres, ray and store on top, where more than one machine is at work (docs/scale.md).
ARG EXTRAS="build,parquet,serve"
RUN python -m venv /venv
WORKDIR /source
COPY pyproject.toml constraints.txt README.md CHANGELOG.md LICENSE ./
COPY recommender recommender
COPY index index
COPY service service
COPY scripts scripts
RUN /venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]"

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 readmore && install --directory --owner readmore /index
COPY --from=install /venv /venv
# The second is for workers of Ray, which are not started by the command.
ENV PATH=/venv/bin:$PATH PYTHONPATH=/venv/lib/python3.11/site-packages/recommender/_programs
USER 10001
VOLUME /index
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["readmore"]
CMD ["serve", "--index", "/index", "--host", "0.0.0.0"]
