"""Bad tokens by the hundred, each one step away from a good one: mended in that one place, it would get in."""

import itertools
from dataclasses import dataclass

from tests.api.bad_claims import NAMES, PAYLOADS, PEOPLE, TIMES
from tests.api.bad_envelopes import HEADERS, TEXTS
from tests.api.bad_signatures import ANY_SIGNATURE, BROUGHT, EDWARDS, ELLIPTIC, PRIMES, SECRETS
from tests.api.forging import Mutation
from tests.api.issuer import ALGORITHMS


@dataclass(frozen=True)
class Forgery:
    algorithm: str
    mutation: Mutation
    status: int = 401


# Whose signature does not matter takes the algorithms in turn.
_turns = itertools.cycle(ALGORITHMS)

CORPUS: dict[str, Forgery] = {
    **{name: Forgery(next(_turns), mutation) for name, mutation in {**TIMES, **NAMES, **PAYLOADS}.items()},
    **{name: Forgery(next(_turns), mutation, 403) for name, mutation in PEOPLE.items()},
    **{name: Forgery("ES256", mutation) for name, mutation in {**HEADERS, **TEXTS, **ELLIPTIC}.items()},
    **{name: Forgery("HS256", mutation) for name, mutation in SECRETS.items()},
    **{name: Forgery("RS256", mutation) for name, mutation in PRIMES.items()},
    **{name: Forgery("EdDSA", mutation) for name, mutation in EDWARDS.items()},
    **{name: Forgery(name.split()[0], mutation) for name, mutation in BROUGHT.items()},
    **{
        f"{algorithm} with {name}": Forgery(algorithm, mutation)
        for algorithm in ALGORITHMS
        for name, mutation in ANY_SIGNATURE.items()
    },
}
