"""`python tests/bench`: the gateway beside its peers, in one run on one machine. `--help` lists the arguments."""

import sys
from pathlib import Path

# The directory of this file stands first in the path otherwise, and its modules would be found under two names.
sys.path[0] = str(Path(__file__).parents[2])

from tests.bench.run import main  # noqa: E402 -- as above

if __name__ == "__main__":
    sys.exit(main())
