"""Writes a gateway beside the API into manifests of Kubernetes, as text: pure, reads no file and no variable."""
