"""What positions answers."""
