"""How often the monitor is wrong: calm made-up months, and months with a fault."""
