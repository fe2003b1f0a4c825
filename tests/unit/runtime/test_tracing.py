"""W3C trace context: whose trace a request is a part of, and what tracing systems have noted of it."""

import pytest
from rapport.runtime.telemetry import trace_context

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-00")


def test_the_callers_trace_goes_on_in_a_span_of_our_own_with_its_state():
    parent, state = trace_context([PARENT, ("tracestate", "them=1, us=2")])
    assert parent.startswith(f"00-{TRACE}-")
    assert parent.endswith("-00")
    assert "00f067aa0ba902b7" not in parent
    assert state == "them=1,us=2"


def test_a_state_in_several_headers_is_one():
    assert trace_context([("tracestate", "a=1"), PARENT, ("tracestate", "b=2")])[1] == "a=1,b=2"


@pytest.mark.parametrize("headers", [[], [("traceparent", "00-zz")], [PARENT, PARENT]], ids=["none", "nonsense", "two"])
def test_without_a_trace_of_the_callers_a_new_one_begins_without_a_state(headers: list[tuple[str, str]]):
    parent, state = trace_context([*headers, ("tracestate", "them=1")])
    assert (len(parent), state) == (55, "")
    assert TRACE not in parent


def test_of_a_state_that_nobody_has_to_pass_on_whole_long_members_go_first_and_then_the_last():
    members = [f"m{number}={'x' * 60}" for number in range(10)]
    _, state = trace_context([PARENT, ("tracestate", ",".join([f"long={'y' * 200}", *members]))])
    assert len(state) <= 512
    assert state == ",".join(members[:8])
