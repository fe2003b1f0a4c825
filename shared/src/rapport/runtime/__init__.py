"""Everything that touches the outside world, once for all services."""
