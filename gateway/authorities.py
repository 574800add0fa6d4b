"""Whose certificates the gateway accepts where it is the client: of issuers, APIs, the store, and others it asks."""

import ssl


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """A client context that trusts the authorities in a PEM file and no others; None: the system's.

    OSError, ssl.SSLError among them, or ValueError: the file cannot be read.
    """
    context = ssl.create_default_context(cafile=ca_file)
    if ca_file is not None:
        # Python 3.13 asks of all what RFC 5280 asks of authorities for everybody. Those of clusters and companies often
        # leave key identifiers out, without which a chain is as good as with them.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
