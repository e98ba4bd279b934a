"""A real Kubernetes on one machine, with the example application and a Prometheus that sees it."""
