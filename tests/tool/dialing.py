#!/usr/bin/env python3
"""How `duplex open` reaches its peer: certificates of its own, pinned keys, names, URLs, and what -v and --json tell."""
import base64
import hashlib
import json
import os
import re
import subprocess
import unittest

from raw_server import fresh_certificate
from support import STEP, Server, ServedTestCase, closed_port, run


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True, timeout=STEP).stdout


def pin_of(pem):
    der = openssl("pkey", "-pubin", "-outform", "DER", stdin=openssl("x509", "-in", pem, "-noout", "-pubkey"))
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


class ClientCertificates(ServedTestCase):
    """A server that lets in the one certificate, as PEM and as PKCS#12 with the password `secret`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pem = fresh_certificate(cls.scratch.name)
        cls.p12 = os.path.join(cls.scratch.name, "client.p12")
        cls.locked = os.path.join(cls.scratch.name, "locked.key")
        openssl("pkcs12", "-export", "-in", cls.pem, "-inkey", cls.pem + ".key", "-passout", "pass:secret", "-out", cls.p12)
        openssl("pkcs8", "-topk8", "-in", cls.pem + ".key", "-passout", "pass:secret", "-out", cls.locked)
        cls.asking = Server("--cert", cls.pem, "--key", cls.pem + ".key", "--client-ca", cls.pem)

    @classmethod
    def tearDownClass(cls):
        cls.asking.kill()
        super().tearDownClass()

    def with_identity(self, *options, status=0):
        self.open("/echo", "--cacert", self.pem, *options, server=self.asking, status=status, stdin=b"x")

    def test_pem_with_an_encrypted_key(self):
        self.with_identity("--cert", self.pem, "--key", self.locked, "--pass", "secret")
        self.with_identity("--cert", self.pem + ":secret", "--key", self.locked)

    def test_pkcs12(self):
        self.with_identity("--cert", self.p12 + ":secret", "--cert-type", "P12")
        self.with_identity("--cert", self.p12, "--pass", "secret")

    def test_a_colon_in_the_name_of_the_file_is_escaped(self):
        odd = os.path.join(self.scratch.name, "a:b\\c.p12")
        with open(self.p12, "rb") as source, open(odd, "wb") as sink:
            sink.write(source.read())
        self.with_identity("--cert", odd.replace("\\", "\\\\").replace(":", "\\:") + ":secret")

    def test_35_what_is_wrong_with_it_by_the_names_of_flags(self):
        self.with_identity("--cert", self.p12, status=35)
        self.assertIn(f"--cert {self.p12} cannot be used: it is encrypted, and there is no --pass", self.stderr)
        self.with_identity("--cert", self.p12 + ":wrong", status=35)
        self.assertIn("cannot be used: --pass is not its password", self.stderr)
        self.with_identity("--cert", self.pem, "--key", self.locked, "--pass", "wrong", status=35)
        self.assertIn(f"--key {self.locked} cannot be used: --pass is not its password", self.stderr)
        self.with_identity("--cert", self.pem, "--cert-type", "DER", status=2)
        self.with_identity("--cert", self.pem, status=35)
        self.assertIn(f"--cert {self.pem} cannot be used: it holds no key, and there is no --key", self.stderr)
        der = os.path.join(self.scratch.name, "client.der")
        openssl("x509", "-in", self.pem, "-outform", "DER", "-out", der)
        self.with_identity("--cert", der, "--key", self.pem + ".key", status=35)
        self.assertIn(f"--cert {der} cannot be used: it is a certificate in DER", self.stderr)


class Trust(ServedTestCase):
    def test_pinned_keys(self):
        url = self.tls.url + "/echo"
        other = pin_of(fresh_certificate(self.scratch.name))
        pin = pin_of(self.cert)
        self.open(url, "--cacert", self.cert, "--pinnedpubkey", pin)
        self.open(url, "-k", "--pinnedpubkey", f"{other};{pin}")
        for trust in (("-k",), ("--cacert", self.cert)):
            self.open(url, *trust, "--pinnedpubkey", other, status=90)
            self.assertIn(f"its public key is {pin}, and --pinnedpubkey wants {other}", self.stderr)
        self.open(url, "-k", "--pinnedpubkey", "key.pem", status=2)

    def test_a_folder_of_authorities(self):
        folder = os.path.join(self.scratch.name, "authorities")
        os.mkdir(folder)
        name = openssl("x509", "-in", self.cert, "-noout", "-hash").decode().strip()
        os.link(self.cert, os.path.join(folder, name + ".0"))
        self.open(self.tls.url + "/echo", "--capath", folder)
        self.open(self.tls.url + "/echo", "--capath", self.scratch.name, status=60)
        self.open(self.tls.url + "/echo", "--capath", "/nonexistent", status=35)
        self.assertIn("--capath /nonexistent cannot be used: No such file or directory", self.stderr)

    def test_versions(self):
        url = self.tls.url + "/echo"
        for options, version in ((("--tls-max", "1.2"), "TLSv1.2"), (("--tlsv1.3",), "TLSv1.3"),
                                 (("--tlsv1.2", "--tls-max", "default"), "TLSv1.3")):
            self.assertEqual(self.events(url, "--cacert", self.cert, *options)[0]["tls"], version)
        self.open(url, "--tlsv1.3", "--tls-max", "1.2", status=2)

    def test_another_name_to_ask_for_does_not_weaken_what_is_verified(self):
        for name in ("front.example", ""):
            self.open(self.tls.url + "/echo", "--cacert", self.cert, "--sni", name)
            self.open(self.tls.url.replace("localhost", "127.0.0.2") + "/echo", "--cacert", self.cert, "--sni", name,
                      "--connect-to", f"127.0.0.1:{self.tls.port}", status=60)
        self.open(self.tls.url + "/echo", "--cacert", self.cert, "--sni", "127.0.0.1", status=2)


class Urls(ServedTestCase):
    def test_3_what_is_wrong_with_a_url(self):
        for url, why in (("localhost:8443/x", "does not begin with https:// or http://"),
                         ("ftp://localhost/", 'has the scheme "ftp", which is neither https nor http'),
                         ("http://localhost/a b", 'has " ", which has to be percent-encoded'),
                         ("http://localhost/%zz", "has a % without two hexadecimal digits behind it"),
                         ("http://localhost/[x]", "is none by RFC 3986; [ and ] are for IPv6 addresses only")):
            with self.subTest(url):
                done = run(url)
                self.assertEqual(done.returncode, 3)
                self.assertIn(f'URL "{url}" {why}', done.stderr.decode())

    def heads(self, url, *options):
        return json.loads(self.open(url, "-X", "GET", *options))

    def test_a_user_is_authorized_and_not_part_of_the_authority(self):
        url = f"http://Aladdin:open%20sesame@localhost:{self.plain.port}/headers"
        seen = self.heads(url)
        self.assertEqual(seen["authority"], f"localhost:{self.plain.port}")
        self.assertIn(["authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], seen["headers"])
        seen = self.heads(url, "-H", "Authorization: Bearer x")
        self.assertEqual([v for n, v in seen["headers"] if n == "authorization"], ["Bearer x"])

    def test_a_password_is_shown_nowhere(self):
        url = f"http://user:s3cret@localhost:{self.plain.port}"
        for options, status in (((url + "/reset/CANCEL",), 92), ((url + "/a b",), 3), (("http://user:s3cret@h:0/",), 3),
                                ((url + "/echo", url + "/reset/CANCEL"), 92), ((url + "/", "http://u:s3cret@h/"), 2)):
            for style in ("-v", "--json"):
                out = self.open(options[0], style, *options[1:], status=status)
                self.assertNotIn("s3cret", self.stderr + out.decode())

    def test_a_name_of_another_script_is_looked_up_in_its_encoded_form(self):
        self.open("http://b\u00fccher.invalid/", status=6)
        self.assertIn("cannot resolve xn--bcher-kva.invalid", self.stderr)
        seen = self.heads(f"http://b\u00fccher.invalid:{self.plain.port}/headers", "--connect-to",
                          f"127.0.0.1:{self.plain.port}")
        self.assertEqual(seen["authority"], f"xn--bcher-kva.invalid:{self.plain.port}")

    def test_an_upgrade_is_refused_in_so_many_words(self):
        self.open("/echo", "-H", "Upgrade: h2c", status=2)
        self.assertIn("RFC 9113 dropped the upgrade to h2c", self.stderr)

    def test_7_a_zone_that_is_no_interface(self):
        self.open("http://[fe80::1%25nonesuch0]/", status=7)
        self.assertIn("there is no network interface nonesuch0", self.stderr)


class Told(ServedTestCase):
    def test_verbose_shows_the_dial_to_a_person(self):
        self.open("/echo", "-v", "--cacert", self.cert, "--resolve", f"localhost:{self.tls.port}:127.0.0.1",
                  server=self.tls, stdin=b"x")
        self.assertRegex(self.stderr, r"\A\* Connected to 127\.0\.0\.1:\d+\n"
                         r"\* TLSv1\.3 / TLS_\w+\n\* ALPN: h2\n"
                         r"\* Certificate subject: .*CN ?=.*\n\* Certificate issuer: .*CN ?=.*\n"
                         r"\* Certificate expires: 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\n"
                         r"\* Took: connect \d+\.\d{3} ms, TLS \d+\.\d{3} ms\n")
        self.assertRegex(self.stderr, r"\* Settings of the peer after \d+\.\d{3} ms\n")

    def test_verbose_shows_what_was_tried_before(self):
        with closed_port() as port:
            self.open(f"http://localhost:{port}/", "-v", status=7)
        self.assertRegex(self.stderr, rf"127\.0\.0\.1:{port} \(Connection refused\)")

    def test_what_is_known_of_a_dial_that_failed(self):
        self.open("/", "-v", server=self.tls, status=60)
        self.assertRegex(self.stderr, r"\A\* Tried 127\.0\.0\.1:\d+\n\* Took: (resolve [\d.]+ ms, )?connect [\d.]+ ms, TLS [\d.]+ ms\n")
        event = self.events("/", server=self.tls, status=60)[-1]
        self.assertEqual(len(event["tried"]), 1)
        self.assertIn("tls_us", event)
        self.open("http://no-such-host.invalid/", "-v", status=6)
        self.assertRegex(self.stderr, r"\A\* Took: resolve [\d.]+ ms\n")

    def test_json_has_the_same_facts(self):
        event = self.events("/echo", "--cacert", self.cert, server=self.tls)[0]
        self.assertEqual((event["tls"], event["alpn"], event["tls_resumed"]), ("TLSv1.3", "h2", False))
        self.assertTrue(event["tls_cipher"].startswith("TLS_"))
        self.assertIn("localhost", event["certificate_subject"])
        self.assertIn("localhost", event["certificate_issuer"])
        self.assertTrue(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["certificate_expires"]))
        self.assertEqual(event["tried"][-1], event["peer"])
        for step in ("resolve_us", "connect_us", "tls_us"):
            self.assertGreaterEqual(event[step], 0)
        event = self.events("/echo")[0]
        self.assertIsNone(event["tls"])
        self.assertFalse({"alpn", "tls_us", "proxy_us", "certificate_subject"} & set(event))


if __name__ == "__main__":
    unittest.main()
