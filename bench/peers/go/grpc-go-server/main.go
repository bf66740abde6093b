// Command grpc-go-server is gRPC-Go as a server, without generated code: messages are bytes.
package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"bench/peer"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

func answer(_ any, s grpc.ServerStream) error {
	if err := s.SendHeader(metadata.MD{}); err != nil {
		return err
	}
	method, _ := grpc.MethodFromServerStream(s)
	if method == "/bench/source" {
		return source(s)
	}
	for {
		var message []byte
		err := s.RecvMsg(&message)
		if err == io.EOF {
			return nil
		}
		if err == nil && method == "/bench/echo" {
			err = s.SendMsg(&message)
		}
		if err != nil {
			return err
		}
	}
}

func source(s grpc.ServerStream) error {
	chunk := make([]byte, peer.Chunk)
	for {
		if err := s.SendMsg(&chunk); err != nil {
			return err
		}
	}
}

func main() {
	plan := peer.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	peer.Check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	options := []grpc.ServerOption{
		grpc.UnknownServiceHandler(answer), grpc.ForceServerCodec(peer.Raw{}),
		grpc.InitialWindowSize(peer.Window), grpc.InitialConnWindowSize(peer.Window),
	}
	if plan.Cert != "" {
		trust, err := credentials.NewServerTLSFromFile(plan.Cert, plan.Key)
		peer.Check(err)
		options = append(options, grpc.Creds(trust))
	}
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	peer.Check(grpc.NewServer(options...).Serve(listener))
}
