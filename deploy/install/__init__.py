"""What an installation needs once, before the services start: secrets, certificates, the database, the stream.

The local stack does the same by itself. Compose runs these commands in containers; on Kubernetes an operator runs them
(`docs/operations.md`). Each may be repeated: what exists is kept.
"""
