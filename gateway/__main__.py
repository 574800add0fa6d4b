"""python -m gateway: the same as the command bearer-gateway."""

import sys

from gateway.cli import main

sys.exit(main())
