def apply_fixes() -> None:
    """Placeholder until the first fixes land."""
