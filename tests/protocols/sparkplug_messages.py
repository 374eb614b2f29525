"""Sparkplug B payloads by protocol buffers themselves, from the official field numbers."""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto

#: As in `sparkplug_b.proto` of Eclipse Tahu: what the gateway reads, and a field that it skips.
METRIC = (
    ("name", 1, _Field.TYPE_STRING), ("alias", 2, _Field.TYPE_UINT64),
    ("timestamp", 3, _Field.TYPE_UINT64), ("datatype", 4, _Field.TYPE_UINT32),
    ("is_historical", 5, _Field.TYPE_BOOL), ("is_transient", 6, _Field.TYPE_BOOL),
    ("is_null", 7, _Field.TYPE_BOOL), ("int_value", 10, _Field.TYPE_UINT32),
    ("long_value", 11, _Field.TYPE_UINT64), ("float_value", 12, _Field.TYPE_FLOAT),
    ("double_value", 13, _Field.TYPE_DOUBLE), ("boolean_value", 14, _Field.TYPE_BOOL),
    ("string_value", 15, _Field.TYPE_STRING), ("bytes_value", 16, _Field.TYPE_BYTES),
)  # fmt: skip
PROPERTY = (
    ("type", 1, _Field.TYPE_UINT32), ("is_null", 2, _Field.TYPE_BOOL),
    ("int_value", 3, _Field.TYPE_UINT32), ("string_value", 8, _Field.TYPE_STRING),
)  # fmt: skip
VALUES = [name for name, number, _ in METRIC if number >= 10]


def _made() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="sparkplug_b.proto", package="spb", syntax="proto2"
    )

    def message(name: str, *fields: tuple[str, int, Any]) -> descriptor_pb2.DescriptorProto:
        made = file.message_type.add(name=name)
        for field, number, kind in fields:
            made.field.add(name=field, number=number, type=kind, label=_Field.LABEL_OPTIONAL)
        return made

    def nest(of: Any, name: str, number: int, kind: str, label: Any) -> None:
        of.field.add(
            name=name,
            number=number,
            type=_Field.TYPE_MESSAGE,
            type_name=f".spb.{kind}",
            label=label,
        )

    message("PropertyValue", *PROPERTY)
    properties = message("PropertySet")
    properties.field.add(
        name="keys", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_REPEATED
    )
    nest(properties, "values", 2, "PropertyValue", _Field.LABEL_REPEATED)
    metric = message("Metric", *METRIC)
    metric.oneof_decl.add(name="value")
    for field in metric.field:
        if field.number >= 10:
            field.oneof_index = 0
    nest(metric, "properties", 9, "PropertySet", _Field.LABEL_OPTIONAL)
    payload = message(
        "Payload",
        ("timestamp", 1, _Field.TYPE_UINT64), ("seq", 3, _Field.TYPE_UINT64),
        ("uuid", 4, _Field.TYPE_STRING), ("body", 5, _Field.TYPE_BYTES),
    )  # fmt: skip
    nest(payload, "metrics", 2, "Metric", _Field.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("spb.Payload"))


PAYLOAD = _made()

#: The field of a value and its data type, by the word of a test.
KINDS = {
    "int8": ("int_value", 1), "int16": ("int_value", 2), "int32": ("int_value", 3),
    "int64": ("long_value", 4), "uint8": ("int_value", 5), "uint16": ("int_value", 6),
    "uint32": ("int_value", 7), "uint64": ("long_value", 8), "float": ("float_value", 9),
    "double": ("double_value", 10), "boolean": ("boolean_value", 11),
    "string": ("string_value", 12),
}  # fmt: skip


def payload(
    seq: int | None = None, *metrics: dict[str, Any], timestamp: int | None = None
) -> bytes:
    """A payload of metrics such as `{"name": "P", "double": 1.5, "alias": 3}`."""
    made: Any = PAYLOAD()
    if seq is not None:
        made.seq = seq
    if timestamp is not None:
        made.timestamp = timestamp
    for given in metrics:
        metric = made.metrics.add()
        for word, value in given.items():
            if word == "quality":
                metric.properties.keys.append("Quality")
                metric.properties.values.add(type=3, int_value=value)
            elif word in KINDS:
                field, datatype = KINDS[word]
                setattr(metric, field, value)
                if given.get("typed", True):
                    metric.datatype = datatype
            elif word != "typed":
                setattr(metric, word, value)
    data: bytes = made.SerializeToString()
    return data
