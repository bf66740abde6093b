"""Other people's proxies before a server: TLS in front, HTTP/2 in cleartext behind. Each takes (harness, port of the server)
and returns a `Proxy` that runs."""
import json
import os
import pwd

from peers import BUILT
from through_proxies import Proxy, file

ENVOY = BUILT / "venv/bin/envoy"


def nginx(harness, behind):
    cert, key = harness.certificate()
    folder = harness.scratch / f"nginx-{behind}"
    folder.mkdir(exist_ok=True)
    temporary = "".join(f"{kind}_temp_path {folder};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))

    def command(port):
        return "nginx", "-e", "stderr", "-c", file(harness, f"nginx-{port}.conf", f"""
daemon off;
user {pwd.getpwuid(os.geteuid()).pw_name};
pid {folder}/pid;
worker_processes 1;
events {{ worker_connections 100; }}
http {{
  access_log off;
  {temporary}
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    client_max_body_size 0;
    location / {{ grpc_pass grpc://127.0.0.1:{behind}; }}
  }}
}}
""")

    return Proxy(harness, command)


def haproxy(harness, behind):
    cert, key = harness.certificate()
    both = file(harness, "both.pem", cert.read_text() + key.read_text())

    def command(port):
        return "haproxy", "-db", "-q", "-f", file(harness, f"haproxy-{port}.cfg", f"""
global
  maxconn 100
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend tls
  bind 127.0.0.1:{port} ssl crt {both} alpn h2
  default_backend cleartext
backend cleartext
  server behind 127.0.0.1:{behind} proto h2
""")

    return Proxy(harness, command)


def nghttpx(harness, behind):
    cert, key = harness.certificate()
    return Proxy(harness, lambda port: (
        "nghttpx", f"--frontend=127.0.0.1,{port}", f"--backend=127.0.0.1,{behind};;proto=h2", "--no-ocsp", "--workers=1",
        "--log-level=ERROR", "--accesslog-file=/dev/null", "--conf=/dev/null", key, cert))


def caddy(harness, behind):
    cert, key = harness.certificate()

    def command(port):
        return ("env", f"HOME={harness.scratch}", f"XDG_CONFIG_HOME={harness.scratch}", "caddy", "run", "--adapter",
                "caddyfile", "--config", file(harness, f"Caddyfile-{port}", f"""
{{
  admin off
  auto_https off
  servers {{
    protocols h1 h2
  }}
}}
https://localhost:{port} {{
  bind 127.0.0.1
  tls {cert} {key}
  reverse_proxy h2c://127.0.0.1:{behind} {{
    flush_interval -1
  }}
}}
"""))

    return Proxy(harness, command)


def envoy(harness, behind):
    cert, key = harness.certificate()
    extensions = "type.googleapis.com/envoy.extensions"
    http2 = {"explicit_http_config": {"http2_protocol_options": {}}}

    def address(port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": int(port)}}

    def configuration(port):
        route = {"match": {"prefix": "/"}, "route": {"cluster": "behind", "timeout": "0s"}}
        manager = {
            "@type": f"{extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "front", "codec_type": "HTTP2",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
            "http_filters": [{"name": "router", "typed_config": {
                "@type": f"{extensions}.filters.http.router.v3.Router"}}]}
        tls = {
            "@type": f"{extensions}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"alpn_protocols": ["h2"], "tls_certificates": [
                {"certificate_chain": {"filename": str(cert)}, "private_key": {"filename": str(key)}}]}}
        chain = {"filters": [{"name": "http", "typed_config": manager}],
                 "transport_socket": {"name": "tls", "typed_config": tls}}
        cluster = {
            "name": "behind", "type": "STATIC", "load_assignment": {"cluster_name": "behind", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": address(behind)}}]}]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{extensions}.upstreams.http.v3.HttpProtocolOptions", **http2}}}
        return {"static_resources": {"listeners": [{"name": "front", "address": address(port), "filter_chains": [chain]}],
                                     "clusters": [cluster]}}

    def command(port):
        return (ENVOY, "-c", file(harness, f"envoy-{port}.json", json.dumps(configuration(port))), "-l", "error",
                "--concurrency", "1", "--use-dynamic-base-id")

    return Proxy(harness, command)


NGINX_HEAD = "nginx passes the head of an answer on with the first bytes of its body; Go's client waits for it before it sends"
HAPROXY_RESET = "HAProxy 2.6 makes END_STREAM of a reset, and only then RST_STREAM(CANCEL)"
H2O_BEHIND = "h2o 2.2 speaks only HTTP/1 to what is behind it"
CADDY_RESET = "Caddy 2.6 makes a whole answer of one that was reset"

# (name, the command that tells the version, start, what it cannot do: for each of the rows, or a text for all)
ALL = [
    ("nginx", ("nginx", "-v"), nginx, {
        "our server": {}, "Go's server": {},
        "Go's client": {"echo_interleaved": NGINX_HEAD, "reset_by_client": NGINX_HEAD,
                        "trailers": "trailers of a request are an error to nginx 1.22"}}),
    ("HAProxy", ("haproxy", "-v"), haproxy, {
        "our server": {"reset_by_server": HAPROXY_RESET},
        "Go's server": {"reset_by_server": HAPROXY_RESET, "reset_by_client": HAPROXY_RESET},
        "Go's client": {"reset_by_server": HAPROXY_RESET}}),
    ("nghttpx", ("nghttpx", "--version"), nghttpx, {}),
    ("Envoy", (ENVOY, "--version"), envoy, {}),
    ("h2o", ("h2o", "--version"), None, H2O_BEHIND),
    ("Caddy", ("caddy", "version"), caddy, {row: {"reset_by_server": CADDY_RESET} for row in
                                            ("our server", "Go's server", "Go's client")}),
]
TAKE_NO_TRAILERS = ("nginx",)

# What it takes for a case to pass, for our client: options, and what is to be said of them.
HELP = {("HAProxy", "ten_megabytes"): (("--window-size", "16M"), (
    "with --window-size 16M: while the buffer of a stream is full, HAProxy 2.6 reads nothing from that connection, and "
    "may wait for a WINDOW_UPDATE that is in it; with as much both ways it stood still in 9 of 15 runs with our first "
    "window, in 1 with 256K, in none with 1M"))}
