"""Types of API objects: nodes from the published definitions or CRDs, and the decoders compiled from them. Pure."""

from kubepy.api.schema.decode import Decoded, Decoder, decoder_for, with_empties
from kubepy.api.schema.definitions import node_for, node_for_definition
from kubepy.api.schema.node import MISSING, Node
from kubepy.api.schema.scalars import DecodeError, TypeMismatch
from kubepy.api.schema.strict import has_duplicates, strict_errors, unknown_fields

__all__ = [
    "MISSING",
    "DecodeError",
    "Decoded",
    "Decoder",
    "Node",
    "TypeMismatch",
    "decoder_for",
    "has_duplicates",
    "node_for",
    "node_for_definition",
    "strict_errors",
    "unknown_fields",
    "with_empties",
]
