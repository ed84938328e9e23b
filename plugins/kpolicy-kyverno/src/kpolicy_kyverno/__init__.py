"""Kyverno's CEL policies as policies of kpolicy."""
