"""Collect the metrics that Prometheus scrapes.

They cover all workers if PROMETHEUS_MULTIPROC_DIR is set before this module is imported.
"""

import os
from functools import cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Counter("readmore_requests", "Requests by route, method and status", ["route", "method", "status"])
LATENCY = Histogram("readmore_request_seconds", "Time to the end of the answer", ["route"], buckets=SECONDS)
REJECTED = Counter("readmore_rejected", "Requests and articles that were refused, by the code of the problem", ["reason"])
EMPTY = Counter("readmore_empty_lists", "Lists without a line, by reason", ["reason"])
EMBEDDED = Counter("readmore_embedded_texts", "Texts given to the model")
KEPT = Counter("readmore_kept_answers", "Answers that were sent as they were kept")
AGE = Gauge("readmore_index_age_seconds", "Age of the release that serves", multiprocess_mode="mostrecent")
ARTICLES = Gauge("readmore_articles", "Articles of the release that serves, and those put since", ["kind"], multiprocess_mode="mostrecent")
RELEASE = Gauge("readmore_release", "1 for the release that serves", ["release"], multiprocess_mode="mostrecent")
DEGRADED = Gauge("readmore_degraded", "1 if /readyz says degraded", multiprocess_mode="max")

_SERVED: set[str] = set()


@cache
def counted(route: str, method: str, status: int) -> Counter:
    """Return the request counter, cached. A lookup by labels takes as long as the rest of a cached answer."""
    return REQUESTS.labels(route, method, str(status))


@cache
def timed(route: str) -> Histogram:
    """Return the latency histogram of a route."""
    return LATENCY.labels(route)


def serves(release: str) -> None:
    """Set the gauge of the release that serves to 1, and of earlier releases to 0."""
    _SERVED.add(release)
    for name in _SERVED:
        RELEASE.labels(name).set(name == release)


def text() -> bytes:
    """Return all metrics in the Prometheus text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
