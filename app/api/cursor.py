"""Cursors: a position among ticks as a token that is good for the filter it was given for, and for no other."""

import base64
import hashlib
import struct
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from app.postgres.tick_filter import Position, TickFilter

_VERSION = 1
# Version, microseconds since 1970, id; then the seal.
_PLACE = struct.Struct(">Bq16s")
_SEAL_BYTES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode_cursor(position: Position, wanted: TickFilter) -> str:
    place = _PLACE.pack(_VERSION, (position.scheduled_at - _EPOCH) // _MICROSECOND, position.id.bytes)
    return base64.urlsafe_b64encode(place + _seal(place, wanted)).rstrip(b"=").decode()


def decode_cursor(cursor: str, wanted: TickFilter) -> Position:
    """Raises ValueError for whatever was not given for this filter by this version of this service."""
    try:
        token = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place, seal = token[: _PLACE.size], token[_PLACE.size :]
        version, microseconds, id_bytes = _PLACE.unpack(place)
        position = Position(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=id_bytes))
    except (ValueError, struct.error, OverflowError) as error:
        raise ValueError("not a cursor of this service") from error
    if version != _VERSION or seal != _seal(place, wanted):
        raise ValueError("not a cursor of this service for these filters")
    return position


def _seal(place: bytes, wanted: TickFilter) -> bytes:
    """Ties a position to a filter, in whatever order its values were given.

    It keeps mistakes out, not people: whoever may ask for ticks may ask for them from any position.
    """
    given = (getattr(wanted, field.name) for field in fields(wanted))
    values = [sorted(set(value)) if isinstance(value, tuple) else value for value in given]
    return hashlib.blake2b(place + msgspec.json.encode(values), digest_size=_SEAL_BYTES).digest()
