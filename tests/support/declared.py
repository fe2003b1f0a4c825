"""The law of what is written: only what was declared to be touched, since only that is known to exist or not."""

from typing import Any

from rapport.decision import Decision, States


def assert_declared(decision: Decision[Any], loaded: States) -> None:
    """`LookupError` names a state that is written without having been declared: the store would insert it anew."""
    for state in decision.states:
        if not state.projection:
            loaded.get(type(state), state.id)
