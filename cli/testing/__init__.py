"""`tes test`: what a person sees and types. Standard library where it can: the tests start before the rest is loaded"""
