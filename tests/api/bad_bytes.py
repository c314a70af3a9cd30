"""What no good client sends: bytes for each place of a request."""

import re
from base64 import urlsafe_b64encode
from datetime import UTC
from typing import TypeAlias
from urllib.parse import quote_from_bytes

from hypothesis import strategies as some
from hypothesis.strategies import SearchStrategy

from app.api.cursor import encode_cursor
from app.api.headers import SANE_REQUEST_ID
from app.postgres.tick_filter import NEWEST, Position, TickFilter

Header: TypeAlias = tuple[bytes, bytes]
Bytes: TypeAlias = SearchStrategy[bytes]

# In most values, so that whatever repeats one can be told.
MARK = b"Sesame"
LONGEST_HEAD = 65536


def marked(raw: Bytes) -> Bytes:
    return some.tuples(raw, raw).map(lambda around: around[0] + MARK + around[1])


def quoted(raw: bytes) -> bytes:
    return quote_from_bytes(raw, safe="").encode()


anything = marked(some.binary(max_size=20))
# As it stands: nothing that would end a value or a query string.
visible = marked(some.binary(max_size=20).map(lambda raw: re.sub(rb"[^!-~]|[&#=]", b"%", raw)))
long = some.integers(1, LONGEST_HEAD // len(MARK) + 100).map(lambda times: MARK * times)
unfinished = marked(some.sampled_from((b"", b"%", b"%0", b"%zz", b"%u0041", b"\xff", b"\x00", b" ", b"+")))

NUMBERS = b"""
    -1 -0 1e400 inf nan 0x10 1_0 2147483648 9223372036854775808 18446744073709551616 \xd9\xa3 \xef\xbc\x91\xef\xbc\x92
""".split()
MOMENTS = b"""
    0000-01-01T00:00:00Z 0001-01-01T00:00:00Z 0001-01-01T00:00:00+14:00 -0044-03-15T12:00:00Z 10000-01-01T00:00:00Z
    9999-12-31T23:59:59.999999Z 9999-12-31T23:59:59-14:00 2016-12-31T23:59:60Z 2026-02-29T00:00:00Z 20260129 1700000000
    2026-01-29T12:00:00.0000000000001Z 2026-01-29T12:00:00\xe2\x88\x9201:00 infinity -infinity epoch now
""".split()
GOOD = b"ok hold 1h drift meta true 1 00000000-0000-0000-0000-000000000005 2026-01-29T12:00:00Z".split()
words = some.sampled_from([*NUMBERS, b"9" * 5000, *MOMENTS, *GOOD, b""])

positions = some.builds(Position, some.datetimes(timezones=some.just(UTC)), some.uuids()) | some.just(NEWEST)
well_made = positions.map(lambda position: encode_cursor(position, TickFilter()).encode())
of_other_filters = positions.map(lambda position: encode_cursor(position, TickFilter(reasons=("x",))).encode())
# With some of its bytes others, more or fewer.
changed = some.builds(
    lambda cursor, place, other, more: cursor[:place] + other + cursor[place + more :],
    *(well_made, some.integers(0, 44), some.binary(max_size=3), some.integers(0, 44)),
)
cursors = some.one_of(well_made, of_other_filters, changed, some.binary(max_size=60).map(urlsafe_b64encode), long)

values = some.one_of(
    anything.map(quoted), visible, unfinished, long, words.map(quoted), words.map(quoted), cursors.map(quoted)
)
UNKNOWN = (b"", b"unknown", b"%00", b"limit%20", b"LIMIT", b"status%5B%5D", b"%ff%fe", b"__proto__", b"n" * 9000)


@some.composite
def queries(draw: some.DrawFn, known: list[bytes]) -> bytes:
    """Some parameters, one of them perhaps twice."""
    pairs = draw(some.lists(some.tuples(some.sampled_from([*known * 2, *UNKNOWN]), values), min_size=1, max_size=4))
    if draw(some.booleans()):
        pairs.append((pairs[0][0], draw(values)))
    return b"?" + b"&".join(name + b"=" + value for name, value in pairs)


NAMES = b"""
    Accept Accept-Encoding Accept-Language Authorization Connection Content-Length Content-Type Cookie Expect Host
    If-Modified-Since If-None-Match Last-Event-ID Origin Range Referer Transfer-Encoding Upgrade X-Forwarded-For
    X-HTTP-Method-Override
""".split()
WORDS = b"""
    * */* text/csv text/csv;q=1e999 text/csv;q=nan,application/json;q=-1 a/b/c,,;;q= application/sql;q=0 gzip gzip;q=0
    Bearer Bearer\xa0x Basic Bearer,Bearer null http://[ https://admin.acme.com chunked close upgrade websocket
    100-continue 0 5 -5 9999999999999999999999999 bytes=0-0
""".split()
PHRASES = (
    *(b"", b"Bearer ", b"bearer \t x", b"Bearer \xff\xfe", b"Bearer a.b.c", b"Bearer " + b"a" * 9000, b"Basic eDp5"),
    *(b"x\x00y", b"x\ry", b"x\r\n y", b"x\r\nX-Other: y", b"\xf0\x9f", b'W/"x"', b"Wed, 21 Oct 2015 07:28:00 GMT"),
)
header_values = some.one_of(some.sampled_from([*WORDS, *PHRASES]), anything, visible, long)
headers = some.lists(some.tuples(some.sampled_from(NAMES), header_values), min_size=1, max_size=4)
request_ids = some.one_of(
    some.from_regex(SANE_REQUEST_ID, fullmatch=True).map(str.encode),
    anything,
    some.sampled_from(
        [
            b"a\rInjected: yes",
            b"a\r\n Injected: yes",
            b"a%0d%0aInjected:yes",
            b"a\x0bb",
            b"a\x85b",
            b"\x1b[2J",
            b"a b",
            b"a" * 129,
        ]
    ),
)

METHODS = (b"GET", b"HEAD", b"POST", b"OPTIONS", b"TRACE", b"CONNECT", b"PRI", b"get", b"G\x00T", b"\xff", b"")
PATHS = rb"""
    /livez * livez //livez /livez/ /livez#x http://evil/livez evil:80 /% /%zz /%00 /%ff%fe /../livez /%2e%2e/livez
    /assets/ /assets/%00 /assets/../../etc/passwd /assets/..%2f..%2fetc/passwd /api/runner/schema;x=1 /\
""".split()
TARGETS = [*PATHS, b"", b"/\x00", b"/\t", b"/\xff", b"/?" + b"a" * 70000, b"/" + b"%41" * 9000]
VERSIONS = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/1.1 x", b"http/1.1", b"ICY", b"")
request_lines = some.one_of(
    some.tuples(*map(some.sampled_from, (METHODS, TARGETS, VERSIONS))).map(b" ".join),
    some.tuples(some.sampled_from(METHODS[:6]), some.sampled_from(TARGETS)).map(
        lambda two: b" ".join([*two, b"HTTP/1.1"])
    ),
    some.binary(max_size=200),
)
first_headers = some.sampled_from(
    [
        *[b"Host: x\r\n"] * 12,
        b"",
        b"Host: x\r\nHost: y\r\n",
        b": x\r\n",
        b" x\r\n",
        b"A b: c\r\n",
        b"\0: x\r\n",
        b"\r\n",
    ]
)
