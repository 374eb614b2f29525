"""Values as bytes are what protocol buffers make of them."""

from hypothesis import given
from hypothesis import strategies as st

from equipment.report import Quality, Sample, Value
from gateway.serve.values import encode_values
from lamproom.v1 import equipment_pb2

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: st.SearchStrategy[Value | None] = st.one_of(
    st.none(), st.booleans(), TEXTS, st.floats(), st.integers(-(2**53), 2**53).map(float)
)
TIMES = st.integers(1, 2**62)
SAMPLES = st.builds(
    Sample,
    st.just("dev"),
    st.sampled_from(["speed", "n" * 200, "矿"]),
    VALUES,
    st.sampled_from(Quality),
    st.one_of(st.just(""), TEXTS),
    st.none() | TIMES,
    TIMES,
)
UNITS = {"speed": "m/min", "矿": "°C"}


def by_the_library(sample: Sample) -> equipment_pb2.PointValue:
    message = equipment_pb2.PointValue(
        point=sample.point,
        unit=UNITS.get(sample.point, ""),
        quality=equipment_pb2.Quality.ValueType(sample.quality),
        quality_reason=sample.reason,
    )
    if isinstance(sample.value, bool):
        message.flag = sample.value
    elif isinstance(sample.value, str):
        message.text = sample.value
    elif sample.value is not None:
        message.number = sample.value
    if sample.source_t_ns is not None:
        message.source_time.FromNanoseconds(sample.source_t_ns)
    message.receive_time.FromNanoseconds(sample.receive_t_ns)
    return message


@given(st.lists(SAMPLES, max_size=5))
def test_values_are_those_that_the_library_encodes(samples: list[Sample]) -> None:
    found = equipment_pb2.Equipment.FromString(encode_values(samples, UNITS))
    wanted = equipment_pb2.Equipment(values=map(by_the_library, samples))
    # As bytes: NaN is not equal to itself.
    assert found.SerializeToString() == wanted.SerializeToString()
    assert encode_values(samples, UNITS) == wanted.SerializeToString()
