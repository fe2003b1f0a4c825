"""What metrics decides: folds events into facts, and facts into figures. Pure."""

from metrics.domain.decide import Figures
from metrics.domain.states import ContactFact, CustomerFact, JournalEntry

__all__ = ["ContactFact", "CustomerFact", "Figures", "JournalEntry"]
