"""Clients of the servers behind the gateway: model servers, and the watcher that names the live one."""
