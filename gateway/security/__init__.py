"""Who may do what: roles, the mine's own certificates, and tokens."""
