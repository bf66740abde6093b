// Command go-client is Go's net/http as a client: go-client CASE URL CERT
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"

	"interop/peer"
)

var client *http.Client

func request(path string, body io.Reader) *http.Request {
	r, err := http.NewRequest(http.MethodPost, os.Args[2]+path, body)
	peer.Check(err)
	return r
}

func do(r *http.Request) *http.Response {
	answer, err := client.Do(r)
	peer.Check(err)
	peer.Expect("the protocol", answer.Proto, "HTTP/2.0")
	peer.Expect("the status", answer.StatusCode, http.StatusOK)
	return answer
}

func post(path, body string) (*http.Response, string) {
	answer := do(request(path, strings.NewReader(body)))
	got, err := io.ReadAll(answer.Body)
	peer.Check(err)
	return answer, string(got)
}

func hear(answer *http.Response, message string) {
	got := make([]byte, len(message))
	_, err := io.ReadFull(answer.Body, got)
	peer.Check(err)
	peer.Expect("what came back", string(got), message)
}

func nothingMore(answer *http.Response) {
	rest, err := io.ReadAll(answer.Body)
	peer.Check(err)
	peer.Expect("bytes left", len(rest), 0)
}

func unary() {
	_, got := post("/echo", "hello")
	peer.Expect("what came back", got, "hello")
}

func echoInterleaved() {
	body, input := io.Pipe()
	answer := do(request("/echo", body))
	for _, message := range peer.Messages {
		_, err := io.WriteString(input, message)
		peer.Check(err)
		hear(answer, message)
	}
	peer.Check(input.Close())
	nothingMore(answer)
}

func tenMegabytes() {
	sent := make([]byte, peer.Ten)
	_, _ = rand.Read(sent)
	answer := do(request("/echo", bytes.NewReader(sent)))
	got, err := io.ReadAll(answer.Body)
	peer.Check(err)
	peer.Expect("the bytes come back", bytes.Equal(got, sent), true)
}

func trailers() {
	r := request("/echo", io.NopCloser(strings.NewReader("checked")))
	r.Trailer = http.Header{"X-Sum": {"42"}}
	answer := do(r)
	hear(answer, "checked")
	nothingMore(answer)
	peer.Expect("grpc-status", answer.Trailer.Get("grpc-status"), "0")
}

func halfCloseOursFirst() {
	_, got := post("/sink", "some bytes")
	peer.Expect("the count", got, "10\n")
}

func halfCloseTheirsFirst() {
	body, input := io.Pipe()
	answer := do(request("/source?bytes=5", body))
	hear(answer, "abcde")
	nothingMore(answer)
	peer.Check(input.Close())
	unary()
}

func resetByClient() {
	body, input := io.Pipe()
	answer := do(request("/echo", body))
	_, err := io.WriteString(input, "forget me")
	peer.Check(err)
	hear(answer, "forget me")
	peer.Check(answer.Body.Close()) // ends it for both; a cancelled context would wait for the next byte of the body
	unary()                         // the connection lives on, and this comes behind the reset
}

// Without the code, and perhaps before what came first: a proxy may be in between.
func resetByServer() {
	answer, err := client.Do(request("/reset/CANCEL?after=5", nil))
	if err == nil {
		var got []byte
		got, err = io.ReadAll(answer.Body)
		peer.Expect("what came before", strings.HasPrefix("abcde", string(got)), true)
	}
	peer.Expect("it was reset", err != nil && strings.Contains(err.Error(), "stream error"), true)
	unary()
}

func main() {
	trusted := x509.NewCertPool()
	cert, err := os.ReadFile(os.Args[3])
	peer.Check(err)
	trusted.AppendCertsFromPEM(cert)
	client = &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: trusted}, DisableCompression: true}}
	peer.Run(map[string]func(){
		"unary": unary, "echo_interleaved": echoInterleaved, "ten_megabytes": tenMegabytes, "trailers": trailers,
		"half_close_ours_first": halfCloseOursFirst, "half_close_theirs_first": halfCloseTheirsFirst,
		"reset_by_client": resetByClient, "reset_by_server": resetByServer,
	})
}
