"""What positions does: each command is one transaction, with its timeline entry and its event in it."""
