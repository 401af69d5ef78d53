"""What went wrong on the user's side of a run."""


class TrainError(ValueError):
    """A model, data, a plan, a node or a folder that cannot be used; a line for every problem."""


class MismatchError(Exception):
    """An engine's cells that are not golden's: a mistake of ours."""
