"""Who may ask the gateway: hosts, API keys, requests a second. The server asks before it reads a body."""
