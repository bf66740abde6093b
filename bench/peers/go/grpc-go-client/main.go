// Command grpc-go-client is gRPC-Go as a client, without generated code: messages are bytes.
package main

import (
	"context"
	"io"
	"os"
	"sync"

	"bench/peer"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

type client struct {
	plan       *peer.Plan
	connection *grpc.ClientConn
	out        []byte
}

func newClient(p *peer.Plan) *client {
	trust := insecure.NewCredentials()
	if config := p.TLS(); config != nil {
		trust = credentials.NewTLS(config)
	}
	connection, err := grpc.NewClient("passthrough:///"+p.Address(), grpc.WithTransportCredentials(trust),
		grpc.WithInitialWindowSize(peer.Window), grpc.WithInitialConnWindowSize(peer.Window),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(peer.Raw{})))
	peer.Check(err)
	return &client{p, connection, make([]byte, p.Size)}
}

func (c *client) open() grpc.ClientStream {
	s, err := c.connection.NewStream(context.Background(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		c.plan.Path())
	peer.Check(err)
	return s
}

func (c *client) pingPong(m *peer.Meter) {
	s := c.open()
	var in []byte
	for {
		peer.Check(s.SendMsg(&c.out))
		peer.Check(s.RecvMsg(&in))
		m.Add(c.plan.Size)
	}
}

func (c *client) send(s grpc.ClientStream, m *peer.Meter) {
	for {
		peer.Check(s.SendMsg(&c.out))
		if m != nil {
			m.Add(c.plan.Size)
		}
	}
}

func (c *client) receive(s grpc.ClientStream, m *peer.Meter) {
	var in []byte
	for {
		peer.Check(s.RecvMsg(&in))
		m.Add(c.plan.Size)
	}
}

func (c *client) exchange() {
	s := c.open()
	peer.Check(s.SendMsg(&c.out))
	peer.Check(s.CloseSend())
	var in []byte
	peer.Check(s.RecvMsg(&in))
	if err := s.RecvMsg(&in); err != io.EOF {
		peer.Check(err)
	}
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
		peer.Check(c.connection.Close())
		m.Add(p.Size)
	}
}

func (c *client) idle() {
	c.exchange()
	before := peer.Resident()
	all := make([]grpc.ClientStream, c.plan.Streams)
	for i := range all {
		all[i] = c.open()
	}
	for _, s := range all {
		_, err := s.Header()
		peer.Check(err)
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
