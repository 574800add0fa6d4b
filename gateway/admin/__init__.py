"""The admin listener: readiness and pages."""
