"""The command line `lamproom`: one small file a command."""
