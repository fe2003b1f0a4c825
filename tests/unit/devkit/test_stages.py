"""What `rapport replay --follow` says of each service, by a clock of ours."""

from collections.abc import Callable

import httpx
import pytest
from devkit.errors import CommandFailed
from devkit.stages import Reading, Stages, print_stages, read


class Platform:
    """Two services whose figures follow from the time."""

    def __init__(self, **services: Callable[[float], Reading]) -> None:
        self.services = services
        self.time = 0.0

    def stages(self) -> Stages:
        return Stages(
            {name: name for name in self.services},
            reading=lambda name: self.services[name](self.time),
            now=lambda: self.time,
            wait=self.pass_time,
        )

    def pass_time(self, seconds: float) -> None:
        self.time += seconds


def steadily(rate: float, until: float, share: float) -> Callable[[float], Reading]:
    """Both lanes share the work equally; something had been settled before."""
    return lambda now: Reading(1000 + rate * min(now, until), 7 + 2 * share * min(now, until))


def test_it_follows_until_nothing_has_moved_for_a_while():
    platform = Platform(swift=steadily(400, 5, 0.5), slow=steadily(100, 20, 0.9))
    swift, slow = platform.stages().follow()
    assert (swift.records, swift.seconds, swift.rate) == (2000, 5.0, 400.0)
    assert (slow.records, slow.seconds, slow.rate) == (2000, 20.0, 100.0)
    assert (swift.share, slow.share) == pytest.approx((0.5, 0.9))
    assert platform.time == 23.0


def test_a_service_that_had_nothing_to_do_is_no_division_by_zero(capsys):
    stages = Platform(idle=lambda _: Reading(5, 1)).stages().follow()
    print_stages(10, 2.0, stages)
    assert "5 events/s end to end; last to finish was idle" in capsys.readouterr().out


def test_the_slowest_is_named_with_its_limit(capsys):
    stages = Platform(swift=steadily(400, 5, 0.5), slow=steadily(100, 20, 0.5)).stages().follow()
    print_stages(2000, 4.0, stages)
    told = capsys.readouterr().out
    assert "100 events/s end to end; last to finish was slow, at 0.50 of its limit of 200 records/s here" in told


def test_figures_are_summed_over_topics(monkeypatch):
    text = (
        "# TYPE rapport_records_total counter\n"
        'rapport_records_total{service="x",topic="a"} 3.0\n'
        'rapport_records_total{service="x",topic="b"} 4.0\n'
        "# TYPE rapport_batch_seconds histogram\n"
        'rapport_batch_seconds_sum{service="x"} 1.5\n'
    )
    request = httpx.Request("GET", "http://x/metrics")
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, text=text, request=request))
    assert read("http://x") == Reading(7.0, 1.5)


def test_a_service_that_does_not_answer_is_named(unused_tcp_port):
    with pytest.raises(CommandFailed, match=rf"127.0.0.1:{unused_tcp_port}/metrics can't be read"):
        read(f"http://127.0.0.1:{unused_tcp_port}")
