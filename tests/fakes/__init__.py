"""Stand-ins for what a room talks to; each passes the same contract suite as the real thing where there is one."""
