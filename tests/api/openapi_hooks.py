"""What schemathesis is told of this service: who calls, what is asked for, what every answer must be beside what the
document says, and which findings are none. Its settings are in `schemathesis.toml`, its runs in `test_openapi.py`.
"""

import itertools
import os
from typing import Any, TypeAlias

import schemathesis
from schemathesis import AuthContext, CheckContext, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

from tests.api.service import PROBE, bearer, claimed, ended, token

STRANGER = "00000000-0000-4000-8000-000000000099"
REPORTS = ("/api/runner/schema", "/api/runner/status")
PROBES = ("/healthz", "/readyz")

Case: TypeAlias = schemathesis.Case[Any]

turns = itertools.count()
admins: set[str] = set()


@schemathesis.auth(refresh_interval=None)
class Caller:
    """An admin, or in turn all who are none: the probe, a user, and somebody without a token."""

    def get(self, _case: Case, context: AuthContext) -> dict[str, str]:
        if os.environ["CALLER"] != "admin":
            return (bearer(PROBE), bearer(token(sub=STRANGER)), {})[next(turns) % 3]
        # A stream ends with its token: this one at once.
        given = bearer(ended() if context.operation.path.endswith("/stream") else claimed())
        admins.update(given.values())
        return given

    def set(self, case: Case, data: dict[str, str], _context: AuthContext) -> None:
        case.headers.update(data)


@schemathesis.hook
def before_call(_context: HookContext, case: Case, _kwargs: dict[str, Any]) -> None:
    """Ask for each form that is documented, in turn."""
    forms = list(documented(case)["responses"]["200"]["content"])
    case.headers["Accept"] = forms[next(turns) % len(forms)]


@schemathesis.check
def has_the_form_that_was_asked_for(_context: CheckContext, response: Response, case: Case) -> None:
    if response.status_code == 200:
        (form,) = response.headers["content-type"]
        assert form.partition(";")[0] == case.headers["Accept"]


@schemathesis.check
def is_for_whom_it_is_documented(_context: CheckContext, response: Response, case: Case) -> None:
    """And for nobody else: also schemathesis leaves the credential out, or makes one up."""
    who = {name for scheme in documented(case).get("security", ()) for name in scheme}
    sent = case.headers.get("Authorization")
    let_in = not who or sent in admins or (who == {"AdminOrProbe"} and sent == f"Bearer {PROBE}")
    assert let_in is (response.status_code not in (401, 403)) or response.status_code == 405


@schemathesis.check
def is_a_problem_where_it_is_an_error(_context: CheckContext, response: Response, case: Case) -> None:
    """What the router answers by itself is, too, and belongs to no operation."""
    if response.status_code < 400 or (response.status_code == 503 and case.path in (*REPORTS, *PROBES)):
        return
    assert response.headers["content-type"] == ["application/problem+json"]
    body = response.json()
    assert (body["ok"], body["status"]) == (False, response.status_code)
    assert [body["requestId"]] == response.headers["x-request-id"]


@schemathesis.hook
def filter_failure(_context: HookContext, failure: Failure, _case: Case, response: Response) -> bool:
    """No schema can say which cursors this service gave away: all others are refused, however well they look."""
    return not (isinstance(failure, RejectedPositiveData) and "not a cursor of this service" in response.text)


def documented(case: Case) -> dict[str, Any]:
    return dict(case.operation.definition.raw)
