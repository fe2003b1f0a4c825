"""The commands of `rapport`, one module each."""
