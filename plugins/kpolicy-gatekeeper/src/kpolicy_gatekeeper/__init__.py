"""Gatekeeper's ConstraintTemplates in CEL, with their Constraints, as policies of kpolicy."""
