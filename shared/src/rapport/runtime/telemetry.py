"""Log lines, figures about ourselves and trace context: each declared here once, with its meaning."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

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
CLOCK_AHEAD = Gauge("rapport_clock_ahead_seconds", "By how much our clock is ahead of MongoDB's", ["service"])
REQUESTS = Counter("rapport_http_requests_total", "HTTP requests answered", ["service", "method", "route", "status"])
CUT_OFF = Counter("rapport_http_cut_off_total", "Connections ended since a request took too long to arrive")
REQUEST_SECONDS = Histogram("rapport_http_request_seconds", "Seconds to answer a request", ["service", "route"])


def configure(level: str) -> None:
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


def speak_as(service: str) -> None:
    """Every line from here on says whose it is."""
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


_LONG_MEMBER: Final = 128
_LONGEST_STATE: Final = 512
"""Characters of a tracestate that everybody has to pass on; long members are the first that may be left out."""


def trace_context(headers: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """
    W3C's traceparent and tracestate of our part of a request.

    The caller's trace, or a new one where there is none; what tracing systems
    have noted of it is empty where there is nothing, or no trace that it belongs to.
    """
    trace_id, flags, state = 0, 1, ""
    given: dict[str, str] = {}
    for name, value in headers:  # a tracestate may come in several headers, a traceparent may not
        given[name] = f"{given[name]},{value}" if name in given else value
    if given:
        caller = trace.get_current_span(_propagator.extract(given)).get_span_context()
        if caller.is_valid:
            trace_id, flags, state = (
                caller.trace_id,
                int(caller.trace_flags),
                _shortened(caller.trace_state.to_header()),
            )
    trace_id = trace_id or _ids.generate_trace_id()
    return f"00-{trace_id:032x}-{_ids.generate_span_id():016x}-{flags:02x}", state


def _shortened(state: str) -> str:
    """As W3C has it: long members go first, then the last ones."""
    if len(state) <= _LONGEST_STATE:
        return state
    members = [member for member in state.split(",") if len(member) <= _LONG_MEMBER]
    while sum(map(len, members)) + len(members) - 1 > _LONGEST_STATE:
        members.pop()
    return ",".join(members)
