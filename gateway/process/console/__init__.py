"""The console in this program: who tells it, who does what it asks, and its key. Imported where it is configured."""
