"""When webhook certificates are renewed, and what the Secret holds meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from kaito.kube.certificates import LIFE, RENEW, SETTLE, Kept, Step, due, issue, pair_problem, step, take

HOSTS = ("webhook.there.svc",)
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + LIFE
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def made(now: datetime = START) -> Kept:
    return take(Step.MAKE, Kept(b"", b"", b""), HOSTS, now)


FRESH = made()
PREPARED = take(Step.PREPARE, FRESH, HOSTS, END - RENEW)
PROMOTED = take(Step.PROMOTE, PREPARED, HOSTS, END - RENEW + SETTLE)
OTHER = made()


def authorities(kept: Kept) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(kept.ca_bundle)


@pytest.mark.parametrize(
    ("kept", "now", "wanted"),
    [
        pytest.param(Kept(b"", b"", b""), START, Step.MAKE, id="nothing there"),
        pytest.param(Kept.of({"server-cert.pem": "?"}), START, Step.MAKE, id="no base64"),
        pytest.param(Kept(b"x", b"y", b"z"), START, Step.MAKE, id="no PEM"),
        pytest.param(FRESH, START, Step.KEEP, id="fresh"),
        pytest.param(FRESH, END - RENEW - SECOND, Step.KEEP, id="a second before it is to be renewed"),
        pytest.param(FRESH, END - RENEW, Step.PREPARE, id="to be renewed"),
        pytest.param(PREPARED, END - RENEW, Step.KEEP, id="the next one is prepared"),
        pytest.param(PREPARED, END - RENEW + SETTLE - SECOND, Step.KEEP, id="a second before it may serve"),
        pytest.param(PREPARED, END - RENEW + SETTLE, Step.PROMOTE, id="the next one may serve"),
        pytest.param(PREPARED, END + DAY, Step.PROMOTE, id="nobody was there while the old one ended"),
        pytest.param(FRESH, END, Step.MAKE, id="ended"),
        pytest.param(PROMOTED, END - RENEW + SETTLE, Step.KEEP, id="renewed"),
        pytest.param(PROMOTED, END, Step.TRIM, id="the old authority ended"),
        pytest.param(take(Step.TRIM, PROMOTED, HOSTS, END), END, Step.KEEP, id="trimmed"),
        pytest.param(FRESH, START - DAY, Step.MAKE, id="not valid yet"),
        pytest.param(Kept(OTHER.key, FRESH.certificate, FRESH.ca_bundle), START, Step.MAKE, id="another one's key"),
        pytest.param(Kept(FRESH.key, FRESH.certificate, OTHER.ca_bundle), START, Step.MAKE, id="another authority"),
        pytest.param(Kept(FRESH.key, FRESH.certificate, b""), START, Step.MAKE, id="no authority"),
    ],
)
def test_what_is_due(kept: Kept, now: datetime, wanted: Step) -> None:
    assert step(kept, HOSTS, now) is wanted


def test_a_server_with_another_name_gets_a_certificate_of_its_own() -> None:
    assert step(FRESH, ("other.there.svc",), START) is Step.MAKE
    assert step(take(Step.MAKE, FRESH, (*HOSTS, "b.svc"), START), HOSTS, START) is Step.KEEP, "one name more is no harm"


def test_a_renewal_trusts_both_until_the_old_authority_ends() -> None:
    (old,) = authorities(FRESH)
    assert PREPARED.material.certificate == FRESH.certificate, "the old one serves on"
    new, kept = authorities(PREPARED)
    assert kept == old
    assert PROMOTED.certificate == PREPARED.next_certificate
    assert authorities(PROMOTED) == [new, old]
    assert authorities(take(Step.TRIM, PROMOTED, HOSTS, END)) == [new]


def test_what_is_made_anew_keeps_the_trust_in_what_others_may_still_serve() -> None:
    again = take(Step.MAKE, Kept(b"", b"", FRESH.ca_bundle), HOSTS, START)
    assert authorities(again)[1:] == authorities(FRESH)


@pytest.mark.parametrize(
    ("kept", "now", "wait"),
    [
        pytest.param(FRESH, START, timedelta(hours=12), id="far away: clocks may be set"),
        pytest.param(FRESH, END - RENEW - timedelta(hours=2), timedelta(hours=2), id="two hours before"),
        pytest.param(FRESH, END, SECOND, id="long due"),
        pytest.param(PREPARED, END - RENEW, SETTLE, id="prepared"),
    ],
)
def test_how_long_nothing_has_to_be_done(kept: Kept, now: datetime, wait: timedelta) -> None:
    assert due(kept, now) == wait


def test_a_secret_holds_what_is_there_and_nothing_empty() -> None:
    assert set(FRESH.data) == {"server-key.pem", "server-cert.pem", "ca-cert.pem"}
    assert Kept.of(PREPARED.data) == PREPARED


Pair = tuple[bytes, bytes]


@pytest.mark.parametrize(
    ("pair", "problem"),
    [
        pytest.param(lambda: (FRESH.certificate, FRESH.key), None, id="a pair"),
        pytest.param(lambda: (FRESH.certificate, OTHER.key), "the private key is not the certificate's", id="mixed"),
        pytest.param(lambda: (b"", FRESH.key), "there is no certificate in PEM", id="no certificate"),
        pytest.param(
            lambda: (FRESH.certificate, b""), "there is no private key in PEM without a password", id="no key"
        ),
    ],
)
def test_what_is_no_pair(pair: Callable[[], Pair], problem: str | None) -> None:
    assert pair_problem(*pair()) == problem


def test_an_issued_certificate_is_for_its_hosts_and_can_sign_nothing() -> None:
    _, pem, ca = issue(HOSTS, START)
    one = x509.load_pem_x509_certificate(pem)
    names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(names.get_values_for_type(x509.DNSName)) == HOSTS
    assert not one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    one.verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
