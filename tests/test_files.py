"""A file is there whole or not at all, whoever else writes it, and a refusing disk is named."""

import errno
import os
import threading

import pytest

from sslviz.errors import UserError
from sslviz.files import atomic, writing


def test_a_file_takes_its_place_when_it_is_complete(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with atomic(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old" and temporary.parent == tmp_path
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_threads_that_write_one_file_do_not_meet(tmp_path):
    path, together = tmp_path / "a.txt", threading.Barrier(8)
    names, failures = [], []

    def write(letter):
        try:
            with atomic(path) as temporary:
                names.append(temporary)
                together.wait(10)
                temporary.write_text(letter * 100_000)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and len(set(names)) == 8
    text = path.read_text()
    assert len(text) == 100_000 and len(set(text)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_and_a_closed_folder_are_named(tmp_path):
    full = rf"no space left in {tmp_path} .* free some space, or move\."
    with pytest.raises(UserError, match=full), writing(tmp_path, remedy="move."):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    (tmp_path / "file").write_text("in the way")
    closed = r"Can't write: .* cannot be written to .*: choose another folder\."
    with pytest.raises(UserError, match=closed), writing(tmp_path / "file" / "below"):
        pytest.fail("the block must not run")
    with writing(tmp_path / "new" / "deep"):
        assert (tmp_path / "new" / "deep").is_dir()
