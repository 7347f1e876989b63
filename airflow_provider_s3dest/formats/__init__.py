"""How records are written: values, CSV, JSON and their compression."""
