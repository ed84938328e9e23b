"""YAML that people write for kpolicy itself, read strictly: every key and value knows its place, every mistake is named."""
