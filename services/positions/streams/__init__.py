"""The venues' private streams, for accounts that are managed, enforced or watched. A message prompts a reading at once;
it is never itself evidence of anything.
"""
