"""Sets variables before numpy is imported, because its libraries read them only once."""

import os

# Tests run in parallel: threads that wait in a busy loop would take cores from other tests.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
