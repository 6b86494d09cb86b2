"""Sessions, the run store, metrics, reports."""
