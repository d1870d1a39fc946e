"""python -m bench.scale: see stages.py."""

from bench.scale.stages import main

main()
