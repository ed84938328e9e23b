"""ValidatingAdmissionPolicies: what the API server would decide of a resource."""
