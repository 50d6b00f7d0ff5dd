"""Platforms, one file each. The file's name is the name in tes.yaml."""
