"""The watcher's /metrics: what serves, and what the warehouse says about months, steps and the monitor's verdict."""
