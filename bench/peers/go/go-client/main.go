// Command go-client is golang.org/x/net/http2 as a client: a goroutine for each stream.
package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

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

func newClient(p *peer.Plan) *client {
	scheme := "http"
	if p.CA != "" {
		scheme = "https"
	}
	return &client{p, newTransport(p), scheme + "://" + p.Address() + p.Path(), make([]byte, p.Size)}
}

func (c *client) open() stream {
	reader, writer := io.Pipe()
	request, err := http.NewRequest(http.MethodPost, c.url, reader)
	peer.Check(err)
	response, err := c.transport.RoundTrip(request)
	peer.Check(err)
	return stream{writer, response.Body}
}

func (c *client) pingPong(m *peer.Meter) {
	s := c.open()
	in := make([]byte, c.plan.Size)
	for {
		_, err := s.body.Write(c.out)
		peer.Check(err)
		_, err = io.ReadFull(s.back, in)
		peer.Check(err)
		m.Add(c.plan.Size)
	}
}

func (c *client) send(s stream, m *peer.Meter) {
	for {
		_, err := s.body.Write(c.out)
		peer.Check(err)
		if m != nil {
			m.Add(c.plan.Size)
		}
	}
}

func (c *client) receive(s stream, m *peer.Meter) {
	in := make([]byte, c.plan.Size)
	for {
		_, err := io.ReadFull(s.back, in)
		peer.Check(err)
		m.Add(c.plan.Size)
	}
}

func (c *client) exchange() {
	s := c.open()
	_, err := s.body.Write(c.out)
	peer.Check(err)
	peer.Check(s.body.Close())
	_, err = io.Copy(io.Discard, s.back)
	peer.Check(err)
	peer.Check(s.back.Close())
}

func (c *client) openAndClose(m *peer.Meter) {
	for {
		c.exchange()
		m.Add(c.plan.Size)
	}
}

func connect(p *peer.Plan, m *peer.Meter) {
	for {
		c := newClient(p)
		c.exchange()
		c.transport.CloseIdleConnections()
		m.Add(p.Size)
	}
}

func (c *client) idle() {
	c.exchange()
	before := peer.Resident()
	all := make([]stream, c.plan.Streams)
	for i := range all {
		all[i] = c.open()
	}
	peer.ReportMemory(c.plan, before)
	os.Exit(0)
}

func idleConnections(p *peer.Plan) {
	newClient(p).exchange()
	before := peer.Resident()
	all := make([]*client, p.Streams)
	for i := range all {
		all[i] = newClient(p)
		all[i].exchange()
	}
	peer.ReportMemory(p, before)
	os.Exit(0)
}

func main() {
	plan := peer.Parse()
	c := newClient(plan)
	switch plan.Workload {
	case "idle":
		c.idle()
	case "idle-connections":
		idleConnections(plan)
	case "connect", "reconnect":
		connect(plan, peer.NewMeter(plan))
	case "up":
		c.send(c.open(), peer.NewMeter(plan))
	case "down":
		c.receive(c.open(), peer.NewMeter(plan))
	case "echo":
		s := c.open()
		go c.send(s, nil)
		c.receive(s, peer.NewMeter(plan))
	default:
		many(plan)
	}
}

func many(plan *peer.Plan) {
	m := peer.NewMeter(plan)
	var all sync.WaitGroup
	for range plan.Threads {
		c := newClient(plan)
		c.exchange()
		for range plan.Streams {
			all.Add(1)
			if plan.Workload == "open" {
				go c.openAndClose(m)
			} else {
				go c.pingPong(m)
			}
		}
	}
	all.Wait()
}
