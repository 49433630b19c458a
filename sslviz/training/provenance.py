"""Where a model comes from: date, revision, versions and processor, for its card."""

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sslviz.paths import ROOT


def describe_origin() -> dict[str, Any]:
    """Date, revision and versions for a model's card."""
    versions = {"python": platform.python_version(), "torch": torch.__version__, "sslviz": version("sslviz")}
    return {"git_revision": revision_of(ROOT), "created": time.strftime("%Y-%m-%d"), "versions": versions}


def revision_of(folder: Path) -> str:
    """Short hash of the revision that a checkout is at; "unknown" where the folder itself is none.

    git looks upwards, so that a package installed below somebody's own repository would get that one's revision.
    """
    if not (folder / ".git").exists():  # a folder, or a file in a worktree
        return "unknown"
    try:
        command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def describe_hardware(device: torch.device) -> str:
    """The processor that trains, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{device.type.upper()} ({name}), {torch.get_num_threads()} thread(s) of {os.cpu_count()}"
