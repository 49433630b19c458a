"""Free memory: the least of the machine's, the container's (both kinds of control groups) and the setting's."""

import pytest

from sslviz import memory

MIB = 2**20


def tree(root, *, available=8000, group=None, files=()):
    """A made-up /proc and /sys with sizes in MiB; `files` are (path below the control groups, limit, used, cached)."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {available * 1024} kB\n")
    (root / "proc/self/cgroup").write_text(group or "0::/\n")
    for path, limit, used, cached in files:
        folder = root / "sys/fs/cgroup" / path
        folder.mkdir(parents=True, exist_ok=True)
        old = path.startswith("memory")
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if old else ("memory.max", "memory.current")
        for name, value in zip(names, (limit, used), strict=True):
            (folder / name).write_text(f"{value}\n" if isinstance(value, str) else f"{value * MIB}\n")
        prefix = "total_" if old else ""
        stat = f"anon 5\n{prefix}inactive_file {cached * MIB}\n{prefix}active_file {2 * cached * MIB}\n"
        (folder / "memory.stat").write_text(stat)
    return root


@pytest.fixture(autouse=True)
def no_setting(monkeypatch):
    monkeypatch.delenv("SSLVIZ_MEMORY_MB", raising=False)


@pytest.mark.parametrize(
    ("group", "files", "free"),
    [
        (None, [], 8000),
        ("0::/\n", [("", 2700, 1000, 0)], 1700),
        ("0::/\n", [("", "max", 1000, 0)], 8000),
        ("0::/\n", [("", 2700, 1000, 200)], 2100),  # 200 inactive and half of 400 active are given up
        ("0::/\n", [("", 1000, 1200, 0)], 0),
        ("0::/user/app\n", [("user/app", "max", 500, 0), ("user", 3000, 1000, 0)], 2000),  # a limit further out
        ("0::/not/seen/here\n", [("", 2700, 700, 0)], 2000),
        ("0::/../other\n", [("", 2700, 700, 0)], 2000),
        ("4:memory:/box\n0::/\n", [("memory/box", 2000, 500, 100), ("memory", "9223372036854771712", 9000, 0)], 1700),
        ("5:cpu,memory:/\n", [("memory", 1500, 1000, 0)], 500),
        ("0::/\n", [("", "broken", 1000, 0)], 8000),
    ],
)
def test_the_least_limit_holds(tmp_path, group, files, free):
    assert memory.free_memory(tree(tmp_path, group=group, files=files)) == free * MIB


def test_where_nothing_is_said_nothing_is_made_up(tmp_path, monkeypatch):
    assert memory.free_memory(tmp_path) is None
    monkeypatch.setenv("SSLVIZ_MEMORY_MB", "many")
    assert memory.free_memory(tmp_path) is None


def test_the_setting_bounds_this_process(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MEMORY_MB", "100000")
    free = memory.free_memory(tmp_path)
    assert free == pytest.approx(100_000 * MIB - memory.held_memory(), abs=4 * MIB)
    monkeypatch.setenv("SSLVIZ_MEMORY_MB", "1")
    assert memory.free_memory(tmp_path) == 0


def test_this_machine_says_it():
    assert 0 < memory.free_memory() < 2**45
    assert 2**20 < memory.held_memory() <= memory.peak_memory() + 2**22
