"""Log lines, figures about ourselves and trace context: each declared here once, with its meaning."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram

from rapport.runtime.calm import Calm

RECORDS = Counter("rapport_records_total", "Records taken from a topic and settled", ["service", "topic"])
DEAD = Counter("rapport_dead_letters_total", "Records sent to the dead letters", ["service", "topic"])
BATCHES = Counter("rapport_batches_total", "Transactions committed by the processor", ["service", "by"])
CONFLICTS = Counter("rapport_conflicts_total", "Transactions decided again since somebody else came first", ["service"])
RETRIES = Counter("rapport_retries_total", "Tries that failed since Kafka or MongoDB was away", ["service", "what"])
TOLD = Counter("rapport_events_told_total", "Events published from the outbox", ["service"])
BATCH_SECONDS = Histogram("rapport_batch_seconds", "Seconds from a polled batch to its published events", ["service"])
SWEEP_FAILURES = Counter("rapport_sweep_failures_total", "States whose wake-up raised and was put off", ["service"])
FORGOTTEN = Counter("rapport_forgotten_total", "States deleted since their time had passed", ["service", "collection"])
LAG = Gauge("rapport_lag_records", "Records of a topic not yet settled by this replica", ["service", "topic"])
PARTITIONS = Gauge("rapport_partitions_owned", "Partitions this replica owns", ["service"])
KEYS_WRONG = Gauge("rapport_keys_file_wrong", "1 while a changed keys file is wrong and older keys stay", ["service"])
REQUESTS = Counter("rapport_http_requests_total", "HTTP requests answered", ["service", "method", "route", "status"])
CUT_OFF = Counter("rapport_http_cut_off_total", "Connections ended since a request took too long to arrive")
REQUEST_SECONDS = Histogram("rapport_http_request_seconds", "Seconds to answer a request", ["service", "route"])


def configure(service: str, level: str) -> None:
    """Structured JSON lines on stderr, those of libraries among them."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Calm())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("aiokafka", "faststream", "pymongo", "httpx", "urllib3", "uvicorn"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    structlog.contextvars.bind_contextvars(service=service)


def logger() -> Any:
    return structlog.stdlib.get_logger()


@contextmanager
def timed(histogram: Histogram, **labels: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        histogram.labels(**labels).observe(time.perf_counter() - start)


_propagator = TraceContextTextMapPropagator()
_ids = RandomIdGenerator()


def traceparent(headers: Mapping[str, str]) -> str:
    """The W3C trace context of our part of a request: the caller's trace, or a new one where there is none."""
    trace_id, flags = 0, 1
    if headers:
        given = trace.get_current_span(_propagator.extract(dict(headers))).get_span_context()
        if given.is_valid:
            trace_id, flags = given.trace_id, int(given.trace_flags)
    trace_id = trace_id or _ids.generate_trace_id()
    return f"00-{trace_id:032x}-{_ids.generate_span_id():016x}-{flags:02x}"
