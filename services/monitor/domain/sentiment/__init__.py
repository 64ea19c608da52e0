"""What people say and bet about an asset, weighed without any I/O."""
