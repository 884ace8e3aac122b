"""``python -m prunescope`` is the command ``prunescope``."""

import sys

from prunescope.cli import main

if __name__ == "__main__":
    sys.exit(main())
