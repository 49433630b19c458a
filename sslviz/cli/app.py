"""`sslviz app`: the pages in a browser."""

import sys

from sslviz.errors import UserError
from sslviz.paths import ROOT


def app(*, port: int = 8501, headless: bool = False) -> None:
    """Open the app in the browser.

    Args:
        port: of the local address.
        headless: do not open a browser.
    """
    import subprocess

    script = ROOT / "app.py"
    if not script.is_file():
        raise UserError(f"{script} is not there; install sslviz from its checkout with `pip install -e .`.")
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}"]
    if headless:
        command.append("--server.headless=true")
    raise SystemExit(subprocess.run(command, cwd=script.parent, check=False).returncode)
