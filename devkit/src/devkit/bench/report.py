"""What a bench reports: a rate, the rate of a named baseline measured in the same run, and the memory it took."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """
    One measurement. Rates are `unit` per second; the baseline does the same work in the way that it names.

    `note` says what else is to be known.
    """

    name: str
    rate: float
    unit: str
    baseline: str
    baseline_rate: float
    memory_mb: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times the baseline's rate."""
        return self.rate / self.baseline_rate


def render(rows: Sequence[Row]) -> None:
    table = Table("what", "per second", "unit", "baseline", "its rate", "times", "MB")
    for column in (1, 4, 5, 6):
        table.columns[column].justify = "right"
    for row in rows:
        rates = f"{row.rate:,.0f}", row.unit, row.baseline, f"{row.baseline_rate:,.0f}"
        table.add_row(row.name, *rates, f"{row.ratio:,.2f}", f"{row.memory_mb:.1f}")
    console = Console()
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"{row.name}, beside {row.baseline}: {row.note}.")
