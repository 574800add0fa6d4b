"""The operator's console: its API and its page, on a listener of its own. Imported only where it is configured."""
