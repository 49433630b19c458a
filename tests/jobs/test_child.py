"""A process that speaks lines: what it says, what it is told, and that it ends with whoever started it."""

import subprocess
import sys

import pytest

from sslviz.jobs.child import Child


def python(code):
    return [sys.executable, "-u", "-c", code]


def test_lines_go_both_ways_and_errors_come_among_them():
    echo = "import sys\nfor line in sys.stdin: print(line.strip().upper()); print('aside', file=sys.stderr)"
    with Child(python(echo)) as child:
        child.say("grüße")
        assert [child.line(60), child.line(60)] == ["GRÜSSE", "aside"]
        child.close_input()
        assert list(child.lines()) == [] and child.over and child.wait() == 0
        child.say("nobody hears this")


def test_errors_can_be_left_out():
    with Child(python("import sys; print('a'); print('b', file=sys.stderr)"), errors=False) as child:
        assert list(child.lines()) == ["a"]


def test_who_is_silent_is_waited_for_no_longer_than_is_said():
    with Child(python("import time; time.sleep(600)")) as child:
        assert child.line(0.05) is None and not child.over and child.returncode is None
    assert child.returncode < 0  # the block has ended it


def test_bytes_that_are_no_text_do_not_break_the_reading():
    with Child(python(r"import sys; sys.stdout.buffer.write(b'\xff\xfe\n')")) as child:
        assert len(list(child.lines())) == 1


def test_a_program_that_is_not_there():
    with pytest.raises(OSError):
        Child(["/nowhere/at/all"])


@pytest.mark.slow
def test_a_child_ends_when_its_parent_is_killed():
    code = """
import sys
from sslviz.jobs.child import Child
child = Child([sys.executable, "-c", "import sys; print('ready', flush=True); sys.stdin.read()"])
print(child.line(60), child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        word, pid = parent.stdout.readline().split()
        assert word == "ready"
        parent.kill()
    ended = subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], timeout=60)
    assert ended.returncode == 0
