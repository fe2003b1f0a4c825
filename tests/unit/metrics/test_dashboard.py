"""What the dashboard draws is what its tables say, and every link asks a question that can be answered."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from metrics.dashboard.cards import cards
from metrics.dashboard.charts import HEIGHT, WIDTH, Chart, contacts_chart, csat_chart, response_chart, sla_chart
from metrics.dashboard.heat import heat_map
from metrics.dashboard.overview import GROUPS, lines
from metrics.dashboard.span import Span, span_of
from metrics.dashboard.standing import COMPARED, drivers_table, worst_first
from metrics.dashboard.trends import TRENDS, trend_chart
from metrics.dashboard.words import by_points, by_share, duration
from metrics.domain.measures import MEASURES
from metrics.domain.question import parse

from tests.support.metrics import Memory, answered, at, event, opened, received, resolved, responded, verdict

DAILY: dict[str, Any] = {"granularity": "day", "tz": "Europe/Berlin"}
SPAN = Span(date(2026, 3, 2), date(2026, 3, 9), ZoneInfo("Europe/Berlin"))


@pytest.fixture
def memory() -> Memory:
    return Memory().feed(
        received(at("09:00"), "C-1", team="a"),
        responded(at("09:30"), "C-1"),
        opened(at("09:00"), {"promise": at("12:00"), "first_response": at("10:00", day=3)}, "C-1"),
        verdict("breached", at("12:00"), at("12:00"), "C-1", target="promise"),
        resolved(at("13:00"), "C-1"),
        answered(at("15:00"), 2, "S-1", contact_id="C-1"),
        answered(at("15:00"), 5, "S-2"),
        received(at("10:00", day=2), "C-2", channel="phone"),
    )


def charts(memory: Memory) -> list[Chart]:
    return [
        contacts_chart(SPAN, memory.report("contacts", by="channel", granularity="day", tz="Europe/Berlin")),
        response_chart(SPAN, memory.report("first_response", by="channel")),
        sla_chart(SPAN, memory.report("sla", by="target")),
        csat_chart(SPAN, memory.report("csat", by="channel")),
        *(trend_chart(SPAN, trend, memory.report(trend.measure, **DAILY)) for trend in TRENDS),
    ]


def test_bars_stay_inside_their_plot(memory):
    for chart in charts(memory):
        assert chart.bars
        for bar in chart.bars:
            assert bar.x >= 0
            assert bar.x + bar.width <= WIDTH + 1e-6
            assert bar.y >= 0
            assert bar.y + bar.height <= chart.height + 1e-6


def test_every_period_has_its_row_and_the_tallest_bar_fills_the_plot(memory):
    chart = charts(memory)[0]
    assert [row[0].text for row in chart.table] == [f"2026-03-0{day}" for day in range(2, 9)]
    assert max(bar.height for bar in chart.bars) == HEIGHT
    assert sum(int(cell.text) for row in chart.table for cell in row[1:]) == 2


def test_every_link_asks_for_the_contacts_that_its_figure_counts(memory):
    sides = worst_first(SPAN, "team", {name: memory.report(name, by="team") for name in COMPARED})
    heat = heat_map(SPAN, memory.report("arrivals", tz="Europe/Berlin"), [], memory.report("out_of_hours")[0])
    tables = [*(chart.table for chart in charts(memory)), [row[1:] for row in sides.rows]]
    links = [(cell.text, cell.href) for table in tables for row in table for cell in row if cell.href]
    links += [(str(cell.count), cell.href) for _, cells in heat.rows for cell in cells if cell.href]
    assert len(links) == 18
    for text, href in links:
        address = urlsplit(href)
        assert address.path == "/contacts"
        if text.endswith("%"):
            continue
        words: dict[str, Any] = parse_qs(address.query)
        usual = {"contacts": "contacts", "arrivals": "arrivals"}.get(words["measure"][0], "answers")
        figure = words.pop("figure", [usual])[0]
        question = parse(words)
        found = memory.report(facts=True, **{name: values[0] for name, values in words.items()})
        assert sum(row[figure] for row in found) == int(text), question


def test_every_card_has_a_link(memory):
    totals = {measure: memory.report(measure)[0] for measure in ("contacts", "first_response", "sla", "csat")}
    for card in cards(SPAN, totals, totals):
        parse({name: value for name, value in parse_qs(urlsplit(card.href).query).items() if name != "figure"})


def test_a_figure_stands_beside_the_same_of_as_many_days_before():
    assert (SPAN.before.first, SPAN.before.last) == (date(2026, 2, 23), date(2026, 3, 2))
    assert [by_share(now, 50, "more", "fewer") for now in (56, 50, 25)] == ["12 % more", "the same", "50 % fewer"]
    assert [by_points(now, 0.5) for now in (0.53, 0.5, 0.49)] == ["3 points higher", "the same", "1 point lower"]


def test_what_had_no_figure_before_or_has_none_now_is_compared_with_nothing():
    assert {by_share(5, 0, "more", "fewer"), by_share(None, 5, "more", "fewer"), by_points(None, 0.5)} == {""}


def test_the_side_with_the_least_deadlines_met_comes_first_and_its_name_narrows_the_page(memory):
    memory.feed(
        received(at("09:00"), "C-3", team="b"),
        opened(at("09:00"), {"first_response": at("10:00")}, "C-3"),
        verdict("met", at("09:30"), at("10:00"), "C-3"),
    )
    table = worst_first(SPAN, "team", {name: memory.report(name, by="team") for name in COMPARED})
    assert [(row[0].text, row[1].text) for row in table.rows] == [("a", "0 %"), ("b", "100 %"), ("none", "–")]
    words = parse_qs(urlsplit(table.rows[0][0].href).query)
    assert (words["filter"], words["by"], words["from"]) == (["team:a"], ["team"], ["2026-03-02"])


def test_a_page_that_is_narrowed_down_asks_and_links_for_that_only():
    span = replace(SPAN, where={"team": ("a", None), "channel": ("e,mail",)})
    assert span.filter == 'team:a|,channel:"e,mail"'
    assert span.question("contacts").where == span.where
    words = parse_qs(urlsplit(span.link("contacts", team="b")).query)
    assert words["filter"] == ['team:b,channel:"e,mail"']
    assert parse_qs(urlsplit(span.page("team", preset=7)).query)["filter"] == [span.filter]


def test_what_customers_come_for_says_how_much_it_has_grown():
    told = {
        "drivers": [{"topic": "bill", "contacts": 6, "share": 0.6, "before": 4}, _driver("tv", 4), _driver(None, 0)]
    }
    assert [[cell.text for cell in row] for row in drivers_table(SPAN, told).rows] == [
        ["bill", "6", "60 %", "4", "50 % more"],
        ["tv", "4", "40 %", "0", "new"],
        ["none", "0", "0 %", "0", "–"],
    ]


def _driver(topic: str | None, contacts: int) -> dict[str, Any]:
    return {"topic": topic, "contacts": contacts, "share": contacts / 10, "before": 0}


def test_every_headline_is_a_figure_of_its_measure_and_what_is_listed_behind_it_is_counted():
    for one in (headline for some in GROUPS.values() for headline in some):
        measure = MEASURES[one.measure]
        assert one.figure in measure.figures
        assert one.of in ("", *measure.figures)
        assert one.listed in (None, *measure.counts)


def test_all_figures_stand_beside_those_of_as_many_days_before(memory):
    some = [one for one in GROUPS["How soon"] if one.measure in ("first_response", "sla")]
    held = {one.measure: memory.report(one.measure) for one in some}
    nothing = {one.measure: Memory().report(one.measure) for one in some}
    assert [[cell.text for cell in line] for line in lines(SPAN, some, held, nothing)] == [
        ["First response, half within", "30 min", "1", "–", ""],
        ["Still waiting for it", "1", "", "0", ""],
        ["Deadlines met", "0 %", "0 met", "–", ""],
    ]


def test_what_is_never_pooled_has_a_line_each_with_how_sure_it_is_and_how_many_were_asked():
    memory, headlines = (
        Memory(),
        {one.measure: one for one in (*GROUPS["What customers say"], *GROUPS["What we owe and keep"])},
    )
    for score, survey, context in ((10, "S-1", "relational"), (9, "S-2", "relational"), (1, "S-3", "relational")):
        memory.feed(answered(at("09:00"), score, survey, "nps", context=context))
    for amount, currency in (("10", "EUR"), ("30", "EUR"), ("7.50", "USD")):
        made: dict[str, Any] = {
            "purchase_id": f"P-{amount}",
            "amount": amount,
            "currency": currency,
            "customer_id": f"K-{amount}",
        }
        memory.feed(event("purchase.made", at("09:00"), **made))
    some = [headlines["nps"], headlines["cltv"]]
    now = {one.measure: memory.report(one.measure, now=at("18:00", day=8)) for one in some}
    nothing: dict[str, Any] = {one.measure: [] for one in some}
    shown = lines(SPAN, some, now, nothing)
    assert [[cell.text for cell in line] for line in shown] == [
        ["Would recommend us (NPS), relational", "+33", "3 answers, -73 to +100", "–", ""],
        ["Lifetime value to date, mean, EUR", "20.00", "2 customers", "–", ""],
        ["Lifetime value to date, mean, USD", "7.50", "1 customers", "–", ""],
    ]
    assert "filter=context%3Arelational" in shown[0][1].href
    to_date = shown[1][1].href
    assert "from=" not in to_date
    assert parse(parse_qs(urlsplit(to_date).query), also=frozenset({"figure"})).where == {"currency": ("EUR",)}


def test_the_widest_gap_between_locations_is_one_line():
    [gap] = [one for one in GROUPS["How soon"] if one.measure == "consistency"]
    rows = [
        {"location": place, "spread": 0.4 if place else None, "low": 0.1, "high": 0.5} for place in ("a", "b", None)
    ]
    [line] = lines(SPAN, [gap], {"consistency": rows}, {"consistency": []})
    assert [cell.text for cell in line] == ["Between the best and the worst location", "40 %", "", "–", ""]


def test_an_hour_in_which_most_came_while_we_were_closed_is_marked():
    hours = [
        {"weekday": "monday", "hour": "09", "arrivals": 10, "share": 0.1},
        {"weekday": "sunday", "hour": "23", "arrivals": 1, "share": 1.0},
    ]
    rows = dict(heat_map(SPAN, hours, hours, {"out_of_hours": 2, "count": 11}).rows)
    busy, late, empty = rows["monday"][9], rows["sunday"][23], rows["sunday"][22]
    assert [(cell.count, cell.level, cell.is_closed) for cell in (busy, late, empty)] == [
        (10, 5, False),
        (1, 1, True),
        (0, 0, False),
    ]


def test_nothing_yet_is_shown_as_nothing():
    for chart in charts(Memory()):
        assert chart.bars == []
        assert chart.empty


def test_the_page_shows_the_last_days_or_else_the_newest_there_are():
    now, zone = datetime(2026, 3, 2, 23, 30, tzinfo=UTC), ZoneInfo("Europe/Berlin")
    recent = span_of(7, now, now, zone)
    assert (recent.first, recent.last, recent.note) == (date(2026, 2, 25), date(2026, 3, 4), "")
    old = span_of(7, now, datetime(2011, 9, 30, 12, tzinfo=UTC), zone)
    assert (old.first, old.last) == (date(2011, 9, 24), date(2011, 10, 1))
    assert old.note


@pytest.mark.parametrize(("days", "granularity"), [(7, "day"), (365, "week"), (3650, "month")])
def test_long_spans_have_wider_bars(days, granularity):
    span = span_of(days, datetime(2026, 3, 2, tzinfo=UTC), None, ZoneInfo("UTC"))
    assert span.granularity == granularity
    assert len(span.periods()) <= 125


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0 s"), (59, "59 s"), (90, "2 min"), (3660, "1 h 01 min"), (200_000, "2.3 days")],
)
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text
