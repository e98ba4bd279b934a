"""Rampguard: safe ramping of in-app experiments on Kubernetes."""
