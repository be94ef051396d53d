"""`python -m kubelet`."""

import sys

from kubelet.app import main
from kubelet.options import parser
from kubepy.runtime.daemon import main_of

if __name__ == "__main__":
    sys.exit(main_of(parser, main))
