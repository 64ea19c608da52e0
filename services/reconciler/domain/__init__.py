"""What reconciliation decides, and when it looks: pure functions and frozen dataclasses."""
