"""Route operations: the current release, the swap to the next one, health and metrics."""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from service import metrics
from service.http.parameters import known_parameters
from service.http.problems import problems
from service.http.response_models import Health, IndexAnswer, Model, Reloaded
from service.routes.related_articles import serving_of

router = APIRouter(dependencies=[Depends(known_parameters)])


@router.head("/v1/index", include_in_schema=False)
@router.get("/v1/index", response_model=IndexAnswer, responses=problems(422, 429))
async def index(request: Request) -> IndexAnswer:
    """Return the release that serves."""
    serving = serving_of(request)
    with serving.held() as recommender:
        manifest = recommender.release.manifest
        with recommender.live.reading() as view:
            n_live, n_withdrawn = len(view.articles), len(view.withdrawn)
    return IndexAnswer(
        index_version=manifest.release,
        created=datetime.fromisoformat(manifest.created),
        age_s=_age(manifest.created),
        model=Model(name=manifest.model.label, sha256=manifest.model.sha256, dim=manifest.model.dim),
        n_articles=manifest.n_articles,
        n_chunks=manifest.n_chunks,
        n_live=n_live,
        n_withdrawn=n_withdrawn,
        degraded=serving.fault,
    )


@router.post("/v1/index/reload", status_code=202, response_model=Reloaded, responses=problems(422, 429))
async def reload(request: Request) -> Reloaded:
    """Serve the release that CURRENT names. Requests under way finish on the old release.

    A damaged release is refused, and the old one keeps serving. Other workers follow within a second.
    """
    serving = serving_of(request)
    name = await asyncio.to_thread(serving.reload)
    return Reloaded(index_version=name, degraded=serving.fault)


@router.head("/livez", include_in_schema=False)
@router.get("/livez", response_model=Health, response_model_exclude_none=True, responses=problems(422))
async def livez() -> Health:
    """Report that the process responds. Nothing else is checked."""
    return Health(status="alive")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=Health, response_model_exclude_none=True, responses=problems(422))
async def readyz(request: Request) -> Health:
    """Report that a verified release serves. If degraded, say why it is not the newest or not complete."""
    serving = serving_of(request)
    with serving.held() as recommender:
        degraded = serving.fault
        if degraded is None and recommender.texts.elsewhere:
            degraded = await asyncio.to_thread(recommender.texts.fault)
        return Health(status="degraded" if degraded else "ready", index_version=recommender.release.name, detail=degraded)


@router.get("/metrics", include_in_schema=False)
async def prometheus(request: Request) -> Response:
    """Return the metrics of all workers."""
    serving = serving_of(request)
    with serving.held() as recommender:
        manifest = recommender.release.manifest
        with recommender.live.reading() as view:
            metrics.ARTICLES.labels("live").set(len(view.articles))
            metrics.ARTICLES.labels("withdrawn").set(len(view.withdrawn))
    metrics.ARTICLES.labels("release").set(manifest.n_articles)
    metrics.AGE.set(_age(manifest.created))
    metrics.serves(manifest.release)
    metrics.DEGRADED.set(serving.fault is not None)
    return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _age(created: str) -> int:
    return int((datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds())
