"""What a command says when it can't do what it was asked."""


class CommandFailed(Exception):
    """The message is for the person: what is wrong, and where; the command ends with status 1."""
