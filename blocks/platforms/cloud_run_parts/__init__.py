"""What the platform `cloud_run` is made of: requests as values, the API behind one door, and the place of a target."""
