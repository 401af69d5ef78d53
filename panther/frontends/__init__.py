"""From models as users have them to the compiler's graph."""
