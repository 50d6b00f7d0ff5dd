"""Tes_engine."""
