// Command go-server is Go's net/http as a server: go-server [CERT KEY], in cleartext without them.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"interop/peer"
)

func answer(w http.ResponseWriter, r *http.Request) {
	flush := w.(http.Flusher).Flush
	switch {
	case strings.HasPrefix(r.URL.Path, "/echo"):
		echo(w, r, flush)
	case strings.HasPrefix(r.URL.Path, "/sink"):
		received, err := io.Copy(io.Discard, r.Body)
		peer.Tell(r.URL.Path, err == nil, int(received))
		fmt.Fprintln(w, received)
	case strings.HasPrefix(r.URL.Path, "/source"):
		fmt.Fprint(w, "abcde")
		peer.Tell(r.URL.Path, true, 0)
	case strings.HasPrefix(r.URL.Path, "/reset"):
		fmt.Fprint(w, "abcde")
		flush()
		panic(http.ErrAbortHandler)
	}
}

func echo(w http.ResponseWriter, r *http.Request, flush func()) {
	w.WriteHeader(http.StatusOK)
	flush()
	buffer := make([]byte, 32<<10)
	for received := 0; ; {
		n, err := r.Body.Read(buffer)
		received += n
		if n > 0 {
			_, failed := w.Write(buffer[:n])
			flush()
			if failed != nil {
				err = failed
			}
		}
		if err != nil {
			peer.Tell(r.URL.Path, err == io.EOF, received)
			break
		}
	}
	w.Header().Set(http.TrailerPrefix+"grpc-status", "0")
	if sum := r.Trailer.Get("x-sum"); sum != "" {
		w.Header().Set(http.TrailerPrefix+"x-sum", sum)
	}
}

func main() {
	server := http.Server{Handler: http.HandlerFunc(answer), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	if len(os.Args) == 1 {
		peer.Check(server.Serve(peer.Listen()))
	}
	peer.Check(server.ServeTLS(peer.Listen(), os.Args[1], os.Args[2]))
}
