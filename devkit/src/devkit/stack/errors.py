"""What the local stack says when it can't do what it was asked."""


class StackError(Exception):
    """The local stack can't be had; the message is one line that a person can act upon, then perhaps a log's tail."""
