"""How large the worlds of the tests are: as small as the case, or with `TESTS=deep` (`make test-deep`) as large as life."""

import os

DEEP = os.environ.get("TESTS") == "deep"
# By which number of examples is multiplied.
LONGER = 15 if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 2 if DEEP else 1
