"""What followup decides: who hears from us, when, about what, and why not. All of it is pure."""
