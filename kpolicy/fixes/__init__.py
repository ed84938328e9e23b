"""Mending findings: from edits of a resource to edits of the text it is written in."""
