// Command grpc-go-server is gRPC-Go as a server: grpc-go-server CERT KEY
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"interop/peer"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

func send(s grpc.ServerStream, text string) error {
	message := []byte(text)
	return s.SendMsg(&message)
}

func answer(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	if strings.HasPrefix(method, "/interop/source") {
		peer.Tell(method, true, 0)
		return send(s, "abcde")
	}
	if err := s.SendHeader(metadata.MD{}); err != nil {
		return err
	}
	s.SetTrailer(metadata.Pairs("x-end", "whole"))
	echoes := strings.HasPrefix(method, "/interop/echo")
	for received := 0; ; {
		var message []byte
		err := s.RecvMsg(&message)
		received += len(message)
		if err == nil && echoes {
			err = s.SendMsg(&message)
		}
		if err == nil {
			continue
		}
		peer.Tell(method, err == io.EOF, received)
		if err == io.EOF && !echoes {
			return send(s, fmt.Sprintln(received))
		}
		if err == io.EOF {
			return nil
		}
		return err
	}
}

func main() {
	trust, err := credentials.NewServerTLSFromFile(os.Args[1], os.Args[2])
	peer.Check(err)
	server := grpc.NewServer(grpc.UnknownServiceHandler(answer), grpc.ForceServerCodec(peer.Raw{}), grpc.Creds(trust))
	peer.Check(server.Serve(peer.Listen()))
}
