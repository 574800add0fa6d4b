"""What is counted, and how it is handed to Prometheus."""
