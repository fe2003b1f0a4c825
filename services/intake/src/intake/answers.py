"""What the sender is told about the events of one request."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic_core import to_json
from rapport.runtime.problem import Problem
from starlette.responses import Response

from intake.domain import Accepted, Refusal, Refused
from intake.records import Verdict

_STATUS: Final = {Refusal.MALFORMED: 400, Refusal.CONTRACT: 422, Refusal.TOO_LARGE: 413, Refusal.FORBIDDEN: 403}
_FIRST: Final = (400, 403, 413, 422)
"""Which status stands for a batch that was refused for several reasons: the first of these that occurred."""


def answer(verdicts: Sequence[Verdict], *, batch: bool) -> Response:
    """202 where all were taken, 207 where some were; where none was, a problem that names every fault."""
    refused = [(index, verdict) for index, verdict in enumerate(verdicts) if isinstance(verdict, Refused)]
    if not refused:
        results = [{"id": verdict.id, "status": "accepted"} for verdict in verdicts]
        return _json(202, {"accepted": len(results), "results": results})
    taken = len(verdicts) - len(refused)
    if taken:
        return _json(207, {"accepted": taken, "results": [_result(i, verdict) for i, verdict in enumerate(verdicts)]})
    raise _problem(refused, batch=batch)


def _result(index: int, verdict: Verdict) -> dict[str, Any]:
    if isinstance(verdict, Accepted):
        return {"index": index, "id": verdict.id, "status": "accepted"}
    return {
        "index": index,
        "id": verdict.id,
        "status": "refused",
        "code": _STATUS[verdict.refusal],
        "reason": verdict.faults[0].reason,
        "errors": [fault._asdict() for fault in verdict.faults],
    }


def _problem(refused: Sequence[tuple[int, Refused]], *, batch: bool) -> Problem:
    """All that is wrong; pointers lead into the batch where it was one."""
    errors = [
        (f"/{index}{fault.pointer}" if batch else fault.pointer, fault.reason)
        for index, verdict in refused
        for fault in verdict.faults
    ]
    statuses = {_STATUS[verdict.refusal] for _, verdict in refused}
    pointer, reason = errors[0]
    return Problem(
        next(status for status in _FIRST if status in statuses),
        f"{pointer}: {reason}" if pointer else f"the event {reason}",
        errors=errors,
    )


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(to_json(body), status_code=status, media_type="application/json")
