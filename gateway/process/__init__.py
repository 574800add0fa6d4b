"""The process: sockets, signals, memory, workers."""
