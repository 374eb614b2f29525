"""Checksums of lines, against their textbook forms, bit by bit."""

import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.text_line import Checksum, ChecksumKind
from protocols.text.checksum import NONE, RIGHT, WRONG, Checksums
from tests.support.crc import crc16_bit_by_bit


def digits_of(kind: ChecksumKind, body: bytes) -> str:
    if kind is ChecksumKind.XOR:
        xor = 0
        for byte in body:
            xor ^= byte
        return f"{xor:02x}"
    if kind is ChecksumKind.CRC16_CCITT:
        return f"{binascii.crc_hqx(body, 0xFFFF):04X}"
    return f"{crc16_bit_by_bit(body):04X}"


def test_a_sentence_of_nmea_is_right() -> None:
    sums = Checksums(Checksum(kind=ChecksumKind.XOR, first=1), 128)
    line = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"
    assert sums.judge([line, line.replace(b"46", b"45"), line[:-3]]).tolist() == [
        RIGHT,
        WRONG,
        NONE,
    ]


@settings(deadline=None)
@given(
    st.sampled_from(ChecksumKind),
    st.sampled_from(["*", ",", "*0x"]),
    st.integers(0, 3),
    st.lists(st.binary(max_size=40), max_size=8),
)
def test_each_line_has_its_own(
    kind: ChecksumKind, mark: str, first: int, bodies: list[bytes]
) -> None:
    sums = Checksums(Checksum(kind=kind, mark=mark, first=first), 64)
    right = [b + f"{mark}{digits_of(kind, b[first:])}".encode() for b in bodies]
    judged = sums.judge(right).tolist()
    assert judged == [RIGHT if len(body) >= first else NONE for body in bodies]
    wrong = [line[:-1] + (b"0" if line[-1:] != b"0" else b"1") for line in right]
    assert RIGHT not in sums.judge(wrong).tolist()


@given(st.sampled_from(ChecksumKind), st.lists(st.binary(max_size=12), max_size=6))
def test_any_bytes_are_judged(kind: ChecksumKind, lines: list[bytes]) -> None:
    judged = Checksums(Checksum(kind=kind), 64).judge(lines)
    assert len(judged) == len(lines)
    assert set(judged.tolist()) <= {RIGHT, WRONG, NONE}


@pytest.mark.parametrize("kind", [ChecksumKind.CRC16_CCITT, ChecksumKind.CRC16_MODBUS])
def test_the_check_value_of_the_catalogues(kind: ChecksumKind) -> None:
    digits = {ChecksumKind.CRC16_CCITT: b"29B1", ChecksumKind.CRC16_MODBUS: b"4B37"}[kind]
    assert Checksums(Checksum(kind=kind), 16).judge([b"123456789*" + digits]).tolist() == [RIGHT]
