"""The one kind of error whose text is written for the person at the keyboard."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Why something was refused or failed, for whoever must decide by it; the sentence is for the person."""

    REFUSED = "refused"  # bad input, or a choice that can't be: the sentence says what to do
    LOSS_NOT_FINITE = "loss_not_finite"  # training diverged
    MEMORY = "memory"  # more than is free
    DISK = "disk"  # no space, or a folder that can't be written to
    STATE = "state"  # there is no state to resume from, or it is damaged or of another run
    COST = "cost"  # it would take longer than is allowed here
    ENDED = "ended"  # the process was ended from outside
    BUG = "bug"  # anything else; the log has the traceback


class UserError(Exception):
    """Something the user can put right; the message is one sentence that says what to do.

    The command line prints it and exits with status 1, the app shows it in place of the page. Anything else that is
    raised is a bug and keeps its traceback.

    Attributes:
        code: why, for programs: nobody reads the sentence to decide anything.
    """

    def __init__(self, message: str = "", *, code: ErrorCode = ErrorCode.REFUSED) -> None:
        super().__init__(message)
        self.code = code


class InputError(UserError, ValueError):
    """A `UserError` about the arrays or parameters that an estimator was given: probes, maps and baselines raise it.

    scikit-learn and whoever uses the estimators without sslviz expect a `ValueError` there.
    """
