"""A small shop's checkout: it lists products and takes orders."""
