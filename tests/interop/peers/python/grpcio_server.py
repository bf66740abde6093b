"""gRPC's Python server: grpcio_server.py CERT KEY"""
import os
import pathlib
import sys
from concurrent import futures

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
import grpc


def tell(path, outcome, received):
    print(path, outcome, received, flush=True)


class Paths(grpc.GenericRpcHandler):
    def service(self, details):
        does = {"echo": self.echo, "sink": self.sink, "source": self.source}
        does = does.get(details.method.split("/")[2].split("?")[0])
        return grpc.stream_stream_rpc_method_handler(lambda messages, call: does(details.method, messages, call))

    def echo(self, path, messages, call):
        received = 0

        def over():
            # Only gRPC itself knows: to its user a reset may look like the end of the messages.
            tell(path, "reset" if call._state.client == "cancelled" else "end", received)

        call.add_callback(over)
        call.set_trailing_metadata((("x-end", "whole"),))
        for message in messages:
            received += len(message)
            yield message

    def sink(self, path, messages, call):
        received = sum(len(message) for message in messages)
        tell(path, "end", received)
        yield b"%d\n" % received

    def source(self, path, messages, call):
        tell(path, "end", 0)
        yield b"abcde"


cert, key = (pathlib.Path(name).read_bytes() for name in sys.argv[1:3])
server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers((Paths(),))
port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, cert)]))
server.start()
print(port, flush=True)
server.wait_for_termination()
