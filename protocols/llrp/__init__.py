"""RFID readers that speak LLRP, the Low Level Reader Protocol of EPCglobal."""
