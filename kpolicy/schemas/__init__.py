"""Kubernetes schemas as plain data: what fields a kind has, and their types."""
