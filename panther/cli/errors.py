"""What went wrong on the user's side of the command line."""


class UserError(Exception):
    """Printed as one line, exit status 2: say what, where, and what to do."""
