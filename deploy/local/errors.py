"""What can go wrong with the local stack, told to a person."""


class StackError(Exception):
    """The stack cannot do what was asked. The message is one line that says what is wrong and what to do about it."""
