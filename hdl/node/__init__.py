"""The node: tiles on a mesh of routers."""
