"""Funding and transfers: read now and then, booked once, and never in the way of a close."""
