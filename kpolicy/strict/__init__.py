"""YAML that people write for kpolicy itself, read strictly.

Every key and value knows its place, and every mistake is named.
"""
