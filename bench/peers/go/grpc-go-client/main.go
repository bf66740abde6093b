// Command grpc-go-client is gRPC-Go as a client, without generated code: messages are bytes.
package main

import (
	"context"
	"io"

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

func newClient(p *peer.Plan) peer.Client[grpc.ClientStream] {
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

func (c *client) Open() grpc.ClientStream {
	s, err := c.connection.NewStream(context.Background(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		c.plan.Path())
	peer.Check(err)
	return s
}

func (c *client) PingPong(m *peer.Meter) {
	s := c.Open()
	var in []byte
	for {
		peer.Check(s.SendMsg(&c.out))
		peer.Check(s.RecvMsg(&in))
		m.Add(c.plan.Size)
	}
}

func (c *client) Send(s grpc.ClientStream, m *peer.Meter) {
	for {
		peer.Check(s.SendMsg(&c.out))
		if m != nil {
			m.Add(c.plan.Size)
		}
	}
}

func (c *client) Receive(s grpc.ClientStream, m *peer.Meter) {
	var in []byte
	for {
		peer.Check(s.RecvMsg(&in))
		m.Add(c.plan.Size)
	}
}

func (c *client) Exchange() {
	s := c.Open()
	peer.Check(s.SendMsg(&c.out))
	peer.Check(s.CloseSend())
	var in []byte
	peer.Check(s.RecvMsg(&in))
	if err := s.RecvMsg(&in); err != io.EOF {
		peer.Check(err)
	}
}

func (c *client) Opened(s grpc.ClientStream) {
	_, err := s.Header()
	peer.Check(err)
}

func (c *client) Close() { peer.Check(c.connection.Close()) }

func main() { peer.Run(newClient) }
