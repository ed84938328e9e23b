"""What MutatingAdmissionPolicies make of an object. No part of a scan: a gate changes nothing."""
