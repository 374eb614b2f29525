"""Reads Logix controllers over EtherNet/IP."""
