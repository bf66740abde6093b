#!/usr/bin/env python3
"""`duplex open --script --json`: step by step, one event a line."""
import base64
import hashlib
import os
import time
import unittest

from support import ServedTestCase, Talk, kinds, payload, run


class Script(ServedTestCase):
    def talk(self, path, *options, server=None):
        talk = Talk((server or self.plain).url + path, *options)
        self.addCleanup(talk.kill)
        return talk

    def test_both_directions_interleave_while_the_script_is_open(self):
        talk = self.talk("/echo", "--cacert", self.cert, server=self.tls)
        event = talk.event()
        self.assertEqual((event["event"], event["stream"], event["protocol"], event["tls"]), ("open", 1, "h2", "TLSv1.3"))
        self.assertIs(event["tls_resumed"], False)
        self.assertEqual(event["peer"], f"127.0.0.1:{self.tls.port}")
        talk.tell("recv")
        self.assertEqual(talk.event()["status"], 200)
        for text in ("msg1", "msg2"):
            talk.tell("send " + text)
            talk.tell("recv")
            event = talk.event()
            self.assertEqual((event["event"], event["size"], event["text"]), ("data", 4, text))
        talk.tell("fin")
        talk.tell("recv")
        self.assertEqual(talk.event()["headers"], [["grpc-status", "0"]])
        talk.tell("recv")
        self.assertEqual(talk.event()["event"], "done")
        self.assertEqual(talk.end(), 0)

    def test_close_ends_the_program_though_its_input_stays_open(self):
        talk = self.talk("/echo")
        talk.event()
        talk.tell("close")
        self.assertIsNone(talk.event())
        self.assertEqual(talk.end(), 0)

    def test_nothing_is_received_unless_a_command_asks(self):
        talk = self.talk("/source?bytes=100")
        self.assertEqual(talk.event()["event"], "open")
        talk.tell("ping")
        event = talk.event()
        self.assertEqual(event["event"], "pong")
        self.assertGreater(event["rtt_us"], 0)
        talk.tell("recv")
        self.assertEqual(talk.event()["event"], "response")
        self.assertEqual(talk.end(), 0)

    def test_every_event_has_its_time(self):
        times = [event["t"] for event in self.events("/echo", stdin=b"x")]
        self.assertEqual(times, sorted(times))
        self.assertGreater(times[0], 0)

    def test_plain_input_brings_the_same_events(self):
        events = self.events("/echo", stdin=b"a line\n")
        self.assertEqual(kinds(events), ["open", "response", "data", "trailers", "done"])
        self.assertEqual(payload(events), "a line\n")

    def test_cleartext_has_no_tls(self):
        self.assertIsNone(self.events("/sink")[0]["tls"])

    def test_recv_takes_as_many_as_it_is_told(self):
        events = self.script("/informational?n=3", "recv 3", "recv")
        self.assertEqual(kinds(events), ["open"] + ["informational"] * 3 + ["response"])
        self.assertEqual([event["status"] for event in events[1:]], [103, 103, 103, 200])

    def test_recv_until(self):
        events = self.script("/echo", "send x", "recv-until response", "recv-until data", "fin", "recv-until trailers",
                             "recv-until done")
        self.assertEqual(kinds(events), ["open", "response", "data", "trailers", "done"])

    def test_recv_until_bytes_counts_what_this_command_received(self):
        events = self.script("/source?bytes=3000&chunk=1000", "recv-until bytes=1500", "recv-until bytes=1000",
                             "recv-until done")
        self.assertEqual(sum(event["size"] for event in events if event["event"] == "data"), 3000)

    def test_the_end_of_the_script_closes(self):
        self.assertEqual(kinds(self.script("/hang", "send x")), ["open"])

    def test_input_script_is_script_from_the_input(self):
        events = self.events("/echo", "--input", "script", stdin=b"send x\nrecv 2\n")
        self.assertEqual(kinds(events), ["open", "response", "data"])

    def test_send_sends_exactly_the_text(self):
        events = self.script("/echo", "send  two  blanks ", "recv 2")
        self.assertEqual(payload(events), " two  blanks ")

    def test_comments_and_blank_lines_and_indentation(self):
        events = self.script("/echo", "# a comment", "", "  send x", "\t# another", "recv 2")
        self.assertEqual(payload(events), "x")

    def test_binary_data_is_base64(self):
        events = self.script("/echo", "send-hex 00ff C3 28", "recv 2")
        self.assertEqual(events[-1]["size"], 4)
        self.assertNotIn("text", events[-1])
        self.assertEqual(base64.b64decode(events[-1]["base64"]), b"\x00\xff\xc3\x28")

    def test_utf8_is_text(self):
        text = 'grün "€" \\ 🙂\x01'
        self.assertEqual(payload(self.script("/echo", "send " + text, "recv 2")), text)

    def test_sizes_instead_of_payloads(self):
        events = self.script("/echo", "send abc", "recv 2", options=("--json-data", "size"))
        self.assertEqual({key: events[-1][key] for key in events[-1] if key != "t"}, {"event": "data", "size": 3})

    def test_send_random(self):
        events = self.script("/sink", "send-random 200K", "fin", "recv-until done")
        self.assertEqual(payload(events), "204800\n")

    def test_send_file(self):
        body = os.urandom(150_000)
        path = os.path.join(self.scratch.name, "a file")
        with open(path, "wb") as file:
            file.write(body)
        events = self.script("/echo", "send-file " + path, "fin", "recv-until done")
        # A small piece may be UTF-8 by chance.
        got = b"".join(base64.b64decode(event["base64"]) if "base64" in event else event["text"].encode()
                       for event in events if event["event"] == "data")
        self.assertEqual(hashlib.sha256(got).digest(), hashlib.sha256(body).digest())

    def test_send_file_that_is_not_there(self):
        events = self.script("/echo", "send-file /nonexistent", status=26)
        self.assertEqual(events[-1]["error"], "read_failed")
        self.assertIn("line 1: send-file: ", self.stderr)

    def test_trailers_half_close(self):
        events = self.script("/echo", "send x", "trailers X-Sum: 42; x-more: a:b", "recv-until done")
        self.assertEqual(kinds(events)[-1], "done")

    def test_sleep(self):
        began = time.monotonic()
        self.script("/echo", "sleep 300ms")
        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_reset_ends_the_stream_and_is_no_failure(self):
        self.assertEqual(kinds(self.script("/echo", "recv", "reset CANCEL")), ["open", "response"])
        self.assertEqual(kinds(self.script("/echo", "reset 0x2")), ["open"])

    def test_recv_after_reset_is_an_error(self):
        events = self.script("/echo", "reset CANCEL", "recv", status=92)
        self.assertEqual(kinds(events), ["open", "error"])
        self.assertEqual(events[-1]["origin"], "local")

    def test_recv_after_done_is_an_error(self):
        events = self.script("/sink", "fin", "recv-until done", "recv", status=92)
        self.assertEqual(events[-1]["error"], "closed")
        self.assertIn("line 3: recv: ", self.stderr)

    def test_what_never_comes_is_an_error(self):
        events = self.script("/sink", "fin", "recv-until trailers", status=92)
        self.assertEqual(kinds(events)[-2:], ["done", "error"])

    def test_send_after_fin_is_an_error(self):
        events = self.script("/echo", "fin", "send x", status=55)
        self.assertEqual(events[-1]["error"], "send_closed")

    def test_manual_flow_control_stops_the_peer_until_consume(self):
        # The whole window, then nothing: it takes consume to get on.
        talk = self.talk("/source?bytes=200000&chunk=10000", "--flow-control", "manual", "--window-size", "100000",
                         "--json-data", "size", "--recv-timeout", "20s")
        talk.event()
        talk.tell("recv-until bytes=100000")
        total = 0
        while total < 100_000:
            total += (talk.event() or {}).get("size", 0)
        self.assertEqual(total, 100_000)
        talk.tell("ping")
        self.assertEqual(talk.event()["event"], "pong")
        talk.tell("consume 60000")
        talk.tell("recv-until bytes=60000")
        while total < 160_000:
            total += talk.event()["size"]
        self.assertEqual(total, 160_000)
        talk.tell("ping")
        self.assertEqual(talk.event()["event"], "pong")
        talk.tell("consume all")
        talk.tell("recv-until done")
        while (event := talk.event())["event"] == "data":
            total += event["size"]
        self.assertEqual((total, event["event"]), (200_000, "done"))
        self.assertEqual(talk.end(), 0)

    def test_manual_flow_control_without_consume_times_out(self):
        self.script("/source?bytes=200000", "recv-until done",
                    options=("--flow-control", "manual", "--window-size", "64K", "--recv-timeout", "300ms"), status=28)

    def test_manual_flow_control_without_a_script_follows_the_output(self):
        out = self.open("/source?bytes=300000", "--flow-control", "manual", "--window-size", "10000")
        self.assertEqual(len(out), 300_000)


class Mistakes(ServedTestCase):
    WRONG = {"snd x": "unknown command 'snd'", "send": "missing argument", "send-hex 0": "hexadecimal",
             "send-hex xx": "hexadecimal", "send-random": "size", "send-random many": "size", "send-file": "path",
             "fin now": "one argument too many", "trailers": "NAME: VALUE", "trailers nothing": "NAME: VALUE",
             "trailers a b: c": "cannot be sent", "recv some": "how many", "recv-until tomorrow": "expected response",
             "recv-until bytes=x": "size", "consume": "size or all", "sleep": "duration", "sleep soon": "duration",
             "ping 2": "one argument too many", "reset": "code", "reset NONSENSE": "code", "close it": "too many"}

    def test_a_script_file_is_checked_before_anything_is_sent(self):
        path = os.path.join(self.scratch.name, "script")
        for line, why in self.WRONG.items():
            with self.subTest(line):
                with open(path, "w") as file:
                    file.write(f"# a comment\nsend x\n{line}\n")
                # The port cannot be connected to, and that is not what is complained about.
                done = run("open", "--json", "--script", path, "http://127.0.0.1:1/")
                self.assertEqual((done.returncode, done.stdout), (2, b""))
                self.assertIn("line 3: ", done.stderr.decode())
                self.assertIn(why, done.stderr.decode())

    def test_a_mistake_in_lines_as_they_come(self):
        events = self.script("/echo", "send x", "recv 2", "snd y", status=2)
        self.assertEqual(kinds(events), ["open", "response", "data", "error"])
        self.assertIn("line 3: ", events[-1]["message"])

    def test_a_script_that_is_not_there(self):
        self.open("/echo", "--script", "/nonexistent/script", status=2)

    def test_script_and_another_input_exclude_each_other(self):
        self.open("/echo", "--script", "-", "--input", "raw", status=2)

    def test_json_data_needs_json(self):
        self.open("/echo", "--json-data", "size", status=2)


if __name__ == "__main__":
    unittest.main()
