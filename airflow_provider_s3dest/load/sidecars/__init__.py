"""What a load writes about its objects: a manifest, table definitions."""
