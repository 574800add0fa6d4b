"""The client's side: connections, requests, their bodies and responses."""
