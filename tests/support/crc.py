"""The check of a ring's records, apart from both sides that compute it in the product."""


def crc16_bit_by_bit(data: bytes) -> int:
    """CRC-16/MODBUS as its polynomial says it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc
