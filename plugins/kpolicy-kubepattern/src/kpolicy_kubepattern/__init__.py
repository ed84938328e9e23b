"""Runs KubePattern definitions over manifests, as policies of kpolicy."""
