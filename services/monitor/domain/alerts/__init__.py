"""What users want to be told of: rules, the prices that they come down to, and what a webhook is sent."""
