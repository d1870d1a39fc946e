"""Where the pages' figures come from: the gateway, the watcher, the registry and the warehouse."""
