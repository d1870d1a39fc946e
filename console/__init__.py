"""Pages for people: what serves, a customer, the call list, the monitor, decisions. It reads, and starts one action."""
