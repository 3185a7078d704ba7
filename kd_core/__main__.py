"""Command line of Distillery, as ``distillery`` or ``python -m kd_core``."""

import sys

from kd_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
