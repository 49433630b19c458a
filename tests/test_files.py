"""A file is there whole or not at all, whoever else writes it, and a refusing disk is named."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sslviz.errors import UserError
from sslviz.files import atomic, check_regular, os_error_number, shown, writing


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


def test_a_link_is_written_through(tmp_path):
    real, link = tmp_path / "real.npz", tmp_path / "link.npz"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to("real.npz")
    with atomic(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink() and real.read_text() == "new" and real.stat().st_mode & 0o777 == 0o600
    fresh = tmp_path / "fresh"
    fresh.symlink_to("not yet")
    with atomic(fresh) as temporary:
        temporary.write_text("made")
    assert (tmp_path / "not yet").read_text() == "made"


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "ring"])
def test_what_is_no_file_is_not_replaced(tmp_path, kind):
    path = tmp_path / "out"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "ring":
        path.symlink_to("out")
    else:
        path = Path("/dev/null")
    before = os.lstat(path)
    with pytest.raises(UserError, match=r"not a file: choose another name\."), atomic(path):
        pytest.fail("the block must not run")
    assert os.lstat(path).st_mode == before.st_mode and os.lstat(path).st_ino == before.st_ino


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "pipe", "is a pipe, not a file"),
        (Path("/dev/zero"), "is a device, not a file"),
        (tmp_path, "is a folder, not a file"),
        (tmp_path / "none", "No such file"),
        (Path("a\0b"), "cannot be read"),
    ):
        with pytest.raises(UserError, match=words):
            check_regular(path)
    (tmp_path / "file").write_text("x")
    check_regular(tmp_path / "file")


def test_a_name_that_is_not_utf_8_can_be_printed(tmp_path):
    path = Path(os.fsdecode(b"caf\xe9\n.npz"))
    assert shown(path) == "caf\ufffd\ufffd.npz" and shown(path).encode()
    assert shown(Path("Übung äöü.npz")) == "Übung äöü.npz"


def test_a_long_name_can_be_written(tmp_path):
    path = tmp_path / ("x" * 240 + ".safetensors")
    with atomic(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_what_safetensors_says_of_a_full_disk_is_understood(tmp_path):
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with pytest.raises(UserError, match=r"cannot be written to \(No such file or directory\)"), writing(tmp_path):
        save_file({"a": torch.zeros(1)}, tmp_path / "no" / "file")  # its real error
    full = SafetensorError('Error while serializing: I/O error: No space left on device (os error 28) at path "x"')
    with pytest.raises(UserError, match="no space left"), writing(tmp_path):
        raise full
    assert os_error_number(full) == errno.ENOSPC and os_error_number(ValueError("(os error 28)x")) == 28
    assert os_error_number(SafetensorError("other")) is None
    with pytest.raises(ZeroDivisionError), writing(tmp_path):
        raise ZeroDivisionError


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can become somebody unknown")
def test_a_user_whom_nobody_knows_and_without_a_home(tmp_path):
    code = """
import os
from sslviz.data import npz
from sslviz.errors import UserError
from sslviz.paths import data_dir
os.setgroups([]); os.setgid(54321); os.setuid(54321)
for name in ("HOME", "SSLVIZ_DATA", "XDG_DATA_HOME"):
    os.environ.pop(name, None)
try:
    npz.write_bytes(data_dir() / "x", b"")
except UserError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.splitlines() == [
        "This user has no home folder to keep things in: set SSLVIZ_DATA to a folder that can be written to.",
    ], run.stderr
