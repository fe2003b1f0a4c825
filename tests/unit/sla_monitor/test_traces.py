"""W3C trace context, from the message to the alert."""

from sla_monitor.domain.actions import acknowledge

from tests.support.sla import assigned, at, play, received, targets

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RINGING = targets(
    "first_response: {within: 4h}",
    page="now",
    escalation="up",
    warn="[75%]",
    rest="escalations: {up: [{after: 0m, notify: [lead]}]}\nreceivers: {lead: {url: 'json://lead'}}",
)


def test_what_time_makes_true_and_what_people_do_goes_on_with_the_trace_of_the_message():
    opening = received("09:00").model_copy(update={"traceparent": TRACE})
    played = play([opening, assigned("10:00", agent_id="ada")], under=RINGING, looks=["14:30"])
    decision = acknowledge(played.contact, "c-1/first_response/1", by="ada", now=at("14:31"), book=played.domain.book)
    told = [event for event in (*played.events, decision.events[0].event) if event.type != "sla.opened"]
    assert {event.type for event in told} >= {"sla.warned", "sla.breached", "alert.acknowledged"}
    assert {event.traceparent for event in told} == {TRACE}
