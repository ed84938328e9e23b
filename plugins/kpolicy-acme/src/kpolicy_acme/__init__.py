"""What Acme adds to kpolicy."""
