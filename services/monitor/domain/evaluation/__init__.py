"""Looking at positions anew: what is known of one, what an advisor makes of it, and how far that may be acted on."""
