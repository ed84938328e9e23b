"""Manifests of another revision, read from git's object store without touching the work tree."""
