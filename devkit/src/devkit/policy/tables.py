"""What previews and back-tests come to, as tables for people and rows for other programs."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rapport.contracts import format_instant
from rich.table import Table
from sla_monitor.domain.backtest import OUTCOMES, Compared, Judged, Sums

from devkit.drawing import plain

COLUMNS = (
    "contact_id",
    "target",
    "cycle",
    "outcome",
    "policy_before",
    "policy_after",
    "verdict_before",
    "verdict_after",
    "due_before",
    "due_after",
    "met_at",
)


class Comparison:
    """Sums while the runs go by, and where they are written."""

    def __init__(self) -> None:
        self.by_target: dict[str, Sums] = defaultdict(Sums)
        self.by_policy: dict[str, Sums] = defaultdict(Sums)
        self.all = Sums()

    def watch(self, runs: Iterable[Compared]) -> Iterator[Compared]:
        """The same runs, counted on their way."""
        for run in runs:
            for sums in (self.all, self.by_target[run.either.target], self.by_policy[run.either.policy or "none"]):
                sums.add(run)
            yield run

    def tables(self) -> Iterator[Table]:
        yield _table("target", {**dict(sorted(self.by_target.items())), "all": self.all})
        if len(self.by_policy) > 1:
            yield _table("policy", dict(sorted(self.by_policy.items())))


def write(path: Path, runs: Iterable[Compared], *, everything: bool) -> int:
    """The runs that changed (or `everything`) as CSV, or as NDJSON by the file's name; how many."""
    wanted = (run for run in runs if everything or run.outcome != "same")
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix in (".ndjson", ".jsonl"):
            for count, run in enumerate(wanted, 1):  # noqa: B007 - the last is the answer
                file.write(json.dumps(row_of(run), ensure_ascii=False) + "\n")
            return count
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for count, run in enumerate(wanted, 1):  # noqa: B007 - likewise
            writer.writerow(row_of(run))
    return count


def row_of(run: Compared) -> dict[str, Any]:
    """One run of a target under both."""
    before, after, either = run.before, run.after, run.either
    return {
        "contact_id": either.contact_id,
        "target": either.target,
        "cycle": either.cycle,
        "outcome": run.outcome,
        "policy_before": before.policy if before else None,
        "policy_after": after.policy if after else None,
        "verdict_before": before.verdict if before else None,
        "verdict_after": after.verdict if after else None,
        "due_before": _due(before),
        "due_after": _due(after),
        "met_at": format_instant(either.met_at) if either.met_at else None,
    }


def _due(judged: Judged | None) -> str | None:
    return format_instant(judged.due_at) if judged and judged.due_at else None


def _table(what: str, sums: dict[str, Sums]) -> Table:
    table = Table(what, *OUTCOMES, "attainment")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, one in sums.items():
        counts = [f"{one.outcomes[outcome]:,}" for outcome in OUTCOMES]
        shares = f"{_share(one.attainment(0))} → {_share(one.attainment(1))}"
        table.add_row(plain(name.replace("_", " ")), *counts, shares)
    return table


def _share(attainment: float | None) -> str:
    return "–" if attainment is None else f"{attainment:.1%}"


def preview_table(found: dict[str, Any]) -> Table:
    """The clocks that a version would touch, breaches first."""
    table = Table("contact", "team", "target", "what", "due", "becomes", "policy")
    for change in found["changes"]:
        policy = change["policy"] or "none"
        becomes = change["becomes"] or "none"
        table.add_row(
            plain(change["contact_id"]),
            plain(change["team"] or "–"),
            change["target"].replace("_", " "),
            {"breaches": "[bold red]breaches at once[/]"}.get(change["kind"], change["kind"]),
            plain(change["due_before"] or "–"),
            plain(change["due_after"] or "–"),
            plain(policy if policy == becomes else f"{policy} → {becomes}"),
        )
    return table
