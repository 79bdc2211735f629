"""Placeholder until the module is landed."""
