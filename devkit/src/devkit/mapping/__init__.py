"""Files of other systems as events of ours, by a mapping file and without code per source (docs/mappings.md)."""

from devkit.mapping.engine import Made, events_of
from devkit.mapping.file import Mapping, find_mapping

__all__ = ["Made", "Mapping", "events_of", "find_mapping"]
