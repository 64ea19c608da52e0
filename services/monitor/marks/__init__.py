"""What positions are worth now, told while somebody watches."""
