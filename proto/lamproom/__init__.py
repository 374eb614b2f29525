"""The public contract; `lamproom.v1` holds the generated modules."""
