"""Results of earlier scans: what is kept, when it still holds, and how a change is worked in."""
