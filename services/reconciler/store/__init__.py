"""The reconciler's own schema: the schedule of accounts, and what its runs found."""
