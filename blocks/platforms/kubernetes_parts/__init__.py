"""What the platform `kubernetes` is made of."""
