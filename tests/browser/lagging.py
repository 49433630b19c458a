"""Streamlit as on a machine that is busy: what a page says waits up to so many seconds before it is sent.

A script, run as `python lagging.py SECONDS run app.py …`.
"""

import random
import sys
import time

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.runtime import Runtime
from streamlit.web import cli


def lag(seconds: float) -> None:
    """Let every session hand on its messages only now and then."""
    hand_on, draw, due = AppSession.flush_browser_queue, random.Random(0), {}

    def flush_browser_queue(session: AppSession) -> list:
        now, work = time.monotonic(), Runtime.instance()._get_async_objs()
        if now < due.get(session.id, now):
            work.eventloop.call_later(due[session.id] - now + 0.01, work.need_send_data.set)
            return []
        if messages := hand_on(session):
            due[session.id] = now + draw.uniform(0, seconds)
        return messages

    AppSession.flush_browser_queue = flush_browser_queue


if __name__ == "__main__":
    lag(float(sys.argv[1]))
    cli.main(sys.argv[2:])
