"""What the platform `ecs` is made of."""
