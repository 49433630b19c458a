"""`python -m sslviz`: the command, where it is not on the path."""

import sys

from sslviz.cli import main

sys.exit(main())
