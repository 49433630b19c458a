"""`python -m sslviz.cli`, as torchrun starts it."""

import sys

from sslviz.cli import main

sys.exit(main())
