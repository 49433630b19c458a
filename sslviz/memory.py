"""How much memory there is: the one reading that every limit of sslviz goes by.

Three bounds are read, and the least of them holds: what the machine has available, what the container (Linux control
group, version 1 or 2) leaves, and `SSLVIZ_MEMORY_MB`, a limit on this process that a person sets.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

MIB = 2**20
UNLIMITED = 2**60  # bytes; version 1 writes a number of this size where there is no limit


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take, at least 0; None where nothing says (no Linux, no setting).

    Args:
        root: folder in which proc and sys/fs/cgroup are looked for.
    """
    found = [_machine(root), *_groups(root)]
    if setting := os.environ.get("SSLVIZ_MEMORY_MB"):
        with suppress(ValueError, OverflowError):  # no number: no limit
            found.append(int(float(setting) * MIB) - held_memory())
    known = [value for value in found if value is not None]
    return max(0, min(known)) if known else None


def held_memory() -> int:
    """Bytes that this process holds now (resident set); its peak where the system tells only that."""
    return _status("VmRSS") or peak_memory()


def peak_memory() -> int:
    """Bytes that this process has held at most so far.

    Linux tells it without what the process that started this one held, which getrusage counts in.
    """
    if told := _status("VmHWM"):
        return told
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _status(key: str) -> int | None:
    return _kilobytes(Path("/proc/self/status"), key)


def _machine(root: Path) -> int | None:
    return _kilobytes(root / "proc/meminfo", "MemAvailable")


def _kilobytes(file: Path, key: str) -> int | None:
    """Bytes from a line such as "MemAvailable:   1234 kB"."""
    try:
        line = next(line for line in file.read_text().splitlines() if line.startswith(f"{key}:"))
        return 1024 * int(line.split()[1])
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _groups(root: Path) -> list[int | None]:
    """What each control group leaves, from this process's own up to the outermost: the limits of all of them hold."""
    mounted, paths = root / "sys/fs/cgroup", {2: Path("."), 1: Path(".")}
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers in ("", "memory") or "memory" in controllers.split(","):
            paths[1 if controllers else 2] = Path(path.lstrip("/") or ".")
    v2 = [_left(folder, "memory.max", "memory.current", "") for folder in _upwards(mounted, paths[2])]
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
    return v2 + [_left(folder, *names) for folder in _upwards(mounted / "memory", paths[1])]


def _upwards(top: Path, path: Path) -> list[Path]:
    """A group's folder and those above it; a path of the host that a container doesn't see leads to no file."""
    return [top / part for part in (path, *path.parents)] if ".." not in path.parts else [top]


def _left(folder: Path, limit: str, used: str, prefix: str) -> int | None:
    """Bytes below a group's limit. Cached files count as free as far as the kernel gives them up before it kills: the
    inactive ones, and half of the active ones, since code that runs is among them.
    """
    try:
        most, now = int((folder / limit).read_text()), int((folder / used).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        cached = int(stat[f"{prefix}inactive_file"]) + int(stat[f"{prefix}active_file"]) // 2
    except (OSError, ValueError, KeyError):  # no such group, or "max"
        return None
    return most - max(0, now - cached) if most < UNLIMITED else None
