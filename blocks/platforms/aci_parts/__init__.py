"""The pieces of the two platforms on Azure Container Instances."""
