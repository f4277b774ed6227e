"""Where the checkout is."""

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

SEARCHED = os.pathsep.join((f"{sys.prefix}/bin", os.environ.get("PATH", os.defpath)))
"""PATH, with a `python3` in front that starts fast: that of a machine may look through many packages first."""
