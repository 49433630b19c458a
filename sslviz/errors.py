"""The one kind of error whose text is written for the person at the keyboard."""


class UserError(Exception):
    """Something the user can put right; the message is one sentence that says what to do.

    The command line prints it and exits with status 1, the app shows it in place of the page. Anything else that is
    raised is a bug and keeps its traceback.
    """
