"""Read before anything imports numpy, whose libraries look at these once."""

import os

# Tests run side by side: threads that wait for each other in a busy loop take the others' cores.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
