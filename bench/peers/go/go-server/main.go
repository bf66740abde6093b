// Command go-server is golang.org/x/net/http2 as a server.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"bench/peer"

	"golang.org/x/net/http2"
)

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("content-type", "application/grpc")
	w.WriteHeader(http.StatusOK)
	flush := w.(http.Flusher).Flush
	flush()
	buffer := make([]byte, peer.Chunk)
	switch r.URL.Path {
	case "/sink":
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, buffer)
	case "/source":
		for err := error(nil); err == nil; {
			_, err = w.Write(buffer)
		}
	default:
		echo(w, r.Body, flush, buffer)
	}
}

func echo(w io.Writer, body io.Reader, flush func(), buffer []byte) {
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if _, failed := w.Write(buffer[:n]); failed != nil {
				return
			}
			flush()
		}
		if err != nil {
			return
		}
	}
}

func main() {
	plan := peer.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	peer.Check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if plan.Cert != "" {
		pair, err := tls.LoadX509KeyPair(plan.Cert, plan.Key)
		peer.Check(err)
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}})
	}
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	server := &http2.Server{
		MaxConcurrentStreams:         20000,
		MaxUploadBufferPerConnection: peer.Window,
		MaxUploadBufferPerStream:     peer.Window,
	}
	for {
		socket, err := listener.Accept()
		peer.Check(err)
		go serve(server, socket)
	}
}

func serve(server *http2.Server, socket net.Conn) {
	if secure, ok := socket.(*tls.Conn); ok {
		if secure.Handshake() != nil {
			return
		}
	}
	server.ServeConn(socket, &http2.ServeConnOpts{Handler: http.HandlerFunc(answer)})
}
