"""The commands of the saved routers."""
