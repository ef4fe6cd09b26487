"""D2 to D5 and D6: URLs and references to images, spelling by spelling."""

import pytest

from kaito.api import images
from kaito.api.images import ImageReference
from kaito.api.sources import url_problem

SHA = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("/relative", id="D2-relative"),
        pytest.param("https://", id="D2-no-host"),
        pytest.param("https://[::1", id="D2-bracket"),
        pytest.param("https://example.com:99999/", id="D2-port"),
        pytest.param("ftp://example.com/", id="D3-ftp"),
        pytest.param("file://example.com/etc/passwd", id="D3-file"),
        pytest.param("http://localhost/x", id="D4-localhost"),
        pytest.param("http://LOCALHOST:8080/x", id="D4-upper-case"),
        pytest.param("http://a.localhost/x", id="D4-below-localhost"),
        pytest.param("http://metadata.google.internal/", id="D4-google"),
        pytest.param("http://metadata.google/", id="D4-google-short"),
        pytest.param("http://instance-data.ec2.internal/", id="D4-ec2"),
        pytest.param("http://127.0.0.1/", id="D5-loopback"),
        pytest.param("http://user@127.0.0.1/", id="D5-behind-a-user"),
        pytest.param("http://10.0.0.1/", id="D5-private"),
        pytest.param("http://172.16.0.1/", id="D5-private-172"),
        pytest.param("http://192.168.1.1/", id="D5-private-192"),
        pytest.param("http://169.254.169.254/latest", id="D5-link-local"),
        pytest.param("http://[::1]/", id="D5-loopback-v6"),
        pytest.param("http://[fe80::1%25eth0]/", id="D5-zone"),
        pytest.param("http://[fc00::1]/", id="D5-unique-local"),
        pytest.param("http://[fec0::1]/", id="D5-site-local"),
        pytest.param("http://224.0.0.1/", id="D5-link-local-multicast"),
        pytest.param("http://0.0.0.0/", id="ODDITY-D5-unspecified"),
        pytest.param("http://[::]/", id="ODDITY-D5-unspecified-v6"),
        pytest.param("http://239.1.2.3/", id="ODDITY-D5-multicast"),
        pytest.param("http://[ff0e::1]/", id="ODDITY-D5-multicast-v6"),
        pytest.param("http://255.255.255.255/", id="ODDITY-D5-broadcast"),
        pytest.param("http://100.64.0.1/", id="ODDITY-D5-carrier-grade-nat"),
        pytest.param("http://a.localhost./x", id="ODDITY-D4-trailing-dot"),
        pytest.param("http://127.0.0.1./", id="ODDITY-D5-trailing-dot"),
        pytest.param("http://2130706433/", id="ODDITY-D5-decimal"),
        pytest.param("http://0x7f000001/", id="ODDITY-D5-hex"),
        pytest.param("http://0x7f.0.0.1/", id="ODDITY-D5-hex-part"),
        pytest.param("http://0177.0.0.1/", id="ODDITY-D5-octal"),
        pytest.param("http://127.1/", id="ODDITY-D5-short"),
        pytest.param("http://0/", id="ODDITY-D5-zero"),
        pytest.param("http://[::ffff:10.0.0.1]/", id="ODDITY-D5-mapped"),
        pytest.param("http://[::ffff:7f00:1]/", id="ODDITY-D5-mapped-hex"),
        pytest.param("http://[::127.0.0.1]/", id="ODDITY-D5-compatible"),
        pytest.param("http://[64:ff9b::10.0.0.1]/", id="ODDITY-D5-nat64"),
        pytest.param("http://[2002:0a00:0001::]/", id="ODDITY-D5-6to4"),
        pytest.param("http://１２７.0.0.1/", id="ODDITY-D5-wide-digits"),
        pytest.param("http://127。0。0。1/", id="ODDITY-D5-other-dots"),
        pytest.param("http://%31%32%37.0.0.1/", id="ODDITY-D5-percent"),
        pytest.param("http://127.0.0.1\\@example.com/", id="ODDITY-D5-backslash"),
        pytest.param("http://example.com/a b", id="ODDITY-D2-space"),
        pytest.param("http://example.com/a\r\nHost: x", id="ODDITY-D2-line-break"),
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    assert url_problem(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://example.com/a.parquet", id="D5-name"),
        pytest.param("http://93.184.216.34/x", id="D5-public"),
        pytest.param("https://[2606:4700::1]/", id="D5-public-v6"),
        pytest.param("https://user:word@example.com:8443/a%20b?c=d#e", id="D2-all-parts"),
        pytest.param("https://10.example.com/", id="D5-a-name-with-digits"),
        pytest.param("https://0x7f.example.com/", id="D5-a-name-like-hex"),
        pytest.param("https://notlocalhost/", id="D4-ends-like-localhost"),
        pytest.param("https://bücher.example/", id="D2-international"),
    ],
)
def test_urls_that_are_allowed(url: str) -> None:
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("busybox", ("docker.io", "library/busybox", None, None), id="D6-short"),
        pytest.param("org/app:v1", ("docker.io", "org/app", "v1", None), id="D6-docker-hub"),
        pytest.param("docker.io/busybox", ("docker.io", "library/busybox", None, None), id="D6-docker-hub-named"),
        pytest.param("index.docker.io/a/b", ("docker.io", "a/b", None, None), id="D6-docker-hub-index"),
        pytest.param("ghcr.io/a/b/c", ("ghcr.io", "a/b/c", None, None), id="D6-registry"),
        pytest.param("localhost/a", ("localhost", "a", None, None), id="D6-localhost"),
        pytest.param("localhost:5000/a:b", ("localhost:5000", "a", "b", None), id="D6-port-and-tag"),
        pytest.param("reg:5000/a", ("reg:5000", "a", None, None), id="D6-port-without-tag"),
        pytest.param("UPPER.example/a", ("UPPER.example", "a", None, None), id="D6-upper-case-registry"),
        pytest.param("[fd00::1]:5000/a", ("[fd00::1]:5000", "a", None, None), id="D6-ipv6"),
        pytest.param(f"r.example/a@{SHA}", ("r.example", "a", None, SHA), id="D6-digest"),
        pytest.param(f"r.example/a:t@{SHA}", ("r.example", "a", "t", SHA), id="D6-tag-and-digest"),
        pytest.param("a_b/c--d/e.f__g", ("docker.io", "a_b/c--d/e.f__g", None, None), id="D6-separators"),
        pytest.param("a:" + "t" * 128, ("docker.io", "library/a", "t" * 128, None), id="D6-long-tag"),
    ],
)
def test_references_to_images(text: str, wanted: tuple[str, str, str | None, str | None]) -> None:
    assert images.parse(text) == ImageReference(*wanted)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "registry/name:tag", id="D6-empty"),
        pytest.param("r.example/", "registry/name:tag", id="D6-no-name"),
        pytest.param("org/App", "name in lower case", id="D6-upper-case"),
        pytest.param("a b", "registry/name:tag", id="D6-space"),
        pytest.param("a\n", "registry/name:tag", id="D6-newline"),
        pytest.param("a//b", "registry/name:tag", id="D6-two-slashes"),
        pytest.param("a___b", "registry/name:tag", id="D6-three-underscores"),
        pytest.param("a..b", "registry/name:tag", id="D6-two-dots"),
        pytest.param("-a/b", "registry/name:tag", id="D6-leading-dash"),
        pytest.param("https://r.example/a", "has the registry 'https:'", id="D6-url"),
        pytest.param("r.example:port/a", "has the registry 'r.example:port'", id="D6-port-no-number"),
        pytest.param("a:", "the tag ''", id="D6-empty-tag"),
        pytest.param("a:-b", "the tag '-b'", id="D6-tag"),
        pytest.param("a:" + "t" * 129, "the tag", id="D6-tag-too-long"),
        pytest.param("a@", "the digest ''", id="D6-empty-digest"),
        pytest.param("a@sha256:abc", "a digest of 3 digits: sha256 has 64", id="D6-short-digest"),
        pytest.param("a@sha256:" + "g" * 64, "the digest", id="D6-digest-no-hex"),
        pytest.param("a@md5:" + "0" * 31, "md5 has 32 or more", id="D6-other-digest"),
        pytest.param("a@sha256", "the digest 'sha256'", id="D6-digest-without-colon"),
        pytest.param("r.example/" + "a" * 256, "use at most 255", id="D6-long-name"),
    ],
)
def test_references_that_name_no_image(text: str, says: str) -> None:
    with pytest.raises(images.ImageError, match=says):
        images.parse(text)
