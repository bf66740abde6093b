// Command go-client is golang.org/x/net/http2 as a client: a goroutine for each stream.
package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"

	"bench/peer"

	"golang.org/x/net/http2"
)

type client struct {
	plan      *peer.Plan
	transport *http2.Transport
	url       string
	out       []byte
}

// stream is a request whose body is still being written.
type stream struct {
	body *io.PipeWriter
	back io.ReadCloser
}

func newTransport(p *peer.Plan) *http2.Transport {
	if config := p.TLS(); config != nil {
		return &http2.Transport{TLSClientConfig: config}
	}
	dial := func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, address)
	}
	return &http2.Transport{AllowHTTP: true, DialTLSContext: dial}
}

func newClient(p *peer.Plan) peer.Client[stream] {
	scheme := "http"
	if p.CA != "" {
		scheme = "https"
	}
	return &client{p, newTransport(p), scheme + "://" + p.Address() + p.Path(), make([]byte, p.Size)}
}

func (c *client) Open() stream {
	reader, writer := io.Pipe()
	request, err := http.NewRequest(http.MethodPost, c.url, reader)
	peer.Check(err)
	response, err := c.transport.RoundTrip(request)
	peer.Check(err)
	return stream{writer, response.Body}
}

func (c *client) PingPong(m *peer.Meter) {
	s := c.Open()
	in := make([]byte, c.plan.Size)
	for {
		_, err := s.body.Write(c.out)
		peer.Check(err)
		_, err = io.ReadFull(s.back, in)
		peer.Check(err)
		m.Add(c.plan.Size)
	}
}

func (c *client) Send(s stream, m *peer.Meter) {
	for {
		_, err := s.body.Write(c.out)
		peer.Check(err)
		if m != nil {
			m.Add(c.plan.Size)
		}
	}
}

func (c *client) Receive(s stream, m *peer.Meter) {
	in := make([]byte, c.plan.Size)
	for {
		_, err := io.ReadFull(s.back, in)
		peer.Check(err)
		m.Add(c.plan.Size)
	}
}

func (c *client) Exchange() {
	s := c.Open()
	_, err := s.body.Write(c.out)
	peer.Check(err)
	peer.Check(s.body.Close())
	_, err = io.Copy(io.Discard, s.back)
	peer.Check(err)
	peer.Check(s.back.Close())
}

// Opened has nothing to wait for: RoundTrip returned with the response.
func (c *client) Opened(stream) {}

func (c *client) Close() { c.transport.CloseIdleConnections() }

func main() { peer.Run(newClient) }
