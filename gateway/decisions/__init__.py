"""The decision API, for proxies that ask and forward by themselves."""
