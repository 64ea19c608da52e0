"""REST: one module for each noun, and what they share (identity, JSON, errors, writes)."""
