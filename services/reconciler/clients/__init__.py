"""What the reconciler needs of other services: the Protocol `Observatory`, and its implementation over positions."""
