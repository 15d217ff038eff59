"""The gate in an editor: a server of the Language Server Protocol."""
