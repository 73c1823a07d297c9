"""Transforms that no host has."""
