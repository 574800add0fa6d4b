"""The upstream's side: connections, which one a request gets, what comes back."""
