// Command grpc-go-client is gRPC-Go as a client: grpc-go-client CASE URL CERT
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"os"
	"strings"

	"interop/peer"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

var (
	connection *grpc.ClientConn
	prefix     string // of the methods
)

func open(ctx context.Context, method string) grpc.ClientStream {
	s, err := connection.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, prefix+method)
	peer.Check(err)
	return s
}

func say(s grpc.ClientStream, message []byte) { peer.Check(s.SendMsg(&message)) }

func hear(s grpc.ClientStream, message []byte) {
	var got []byte
	peer.Check(s.RecvMsg(&got))
	peer.Expect("what came back", string(got), string(message))
}

func end(s grpc.ClientStream) {
	var got []byte
	peer.Expect("the end", s.RecvMsg(&got), io.EOF)
}

func unary() {
	sent, got := []byte("hello"), []byte(nil)
	peer.Check(connection.Invoke(context.Background(), prefix+"/interop/echo", &sent, &got))
	peer.Expect("what came back", string(got), "hello")
}

func echoInterleaved() {
	s := open(context.Background(), "/interop/echo")
	for _, message := range peer.Messages {
		say(s, []byte(message))
		hear(s, []byte(message))
	}
	peer.Check(s.CloseSend())
	end(s)
}

func tenMegabytes() {
	const pieces = 160
	sent := make([]byte, peer.Ten)
	_, _ = rand.Read(sent)
	s := open(context.Background(), "/interop/echo")
	go func() {
		for i := range pieces {
			say(s, sent[i*len(sent)/pieces:(i+1)*len(sent)/pieces])
		}
		peer.Check(s.CloseSend())
	}()
	var all []byte
	for range pieces {
		var got []byte
		peer.Check(s.RecvMsg(&got))
		all = append(all, got...)
	}
	end(s)
	peer.Expect("the bytes come back", bytes.Equal(all, sent), true)
}

func trailers() {
	s := open(context.Background(), "/interop/echo")
	say(s, []byte("checked"))
	peer.Check(s.CloseSend())
	hear(s, []byte("checked"))
	end(s) // grpc-status was among the trailers, or this would be an error
}

func halfCloseOursFirst() {
	s := open(context.Background(), "/interop/echo")
	for _, message := range peer.Messages {
		say(s, []byte(message))
	}
	peer.Check(s.CloseSend())
	for _, message := range peer.Messages {
		hear(s, []byte(message))
	}
	end(s)
}

func halfCloseTheirsFirst() {
	s := open(context.Background(), "/trailers-only")
	end(s)
	unary()
}

func resetByClient() {
	ctx, cancel := context.WithCancel(context.Background())
	s := open(ctx, "/interop/echo")
	say(s, []byte("forget me"))
	hear(s, []byte("forget me"))
	cancel()
	var got []byte
	peer.Expect("the status", status.Code(s.RecvMsg(&got)), codes.Canceled)
	unary()
}

func resetByServer() {
	s := open(context.Background(), "/reset/ENHANCE_YOUR_CALM")
	var got []byte
	peer.Expect("the status", status.Code(s.RecvMsg(&got)), codes.ResourceExhausted)
	unary()
}

func main() {
	trust, err := credentials.NewClientTLSFromFile(os.Args[3], "")
	peer.Check(err)
	host, path, _ := strings.Cut(strings.TrimPrefix(os.Args[2], "https://"), "/")
	if path != "" {
		prefix = "/" + path
	}
	connection, err = grpc.NewClient("dns:///"+host,
		grpc.WithTransportCredentials(trust), grpc.WithDefaultCallOptions(grpc.ForceCodec(peer.Raw{})))
	peer.Check(err)
	peer.Run(map[string]func(){
		"unary": unary, "echo_interleaved": echoInterleaved, "ten_megabytes": tenMegabytes, "trailers": trailers,
		"half_close_ours_first": halfCloseOursFirst, "half_close_theirs_first": halfCloseTheirsFirst,
		"reset_by_client": resetByClient, "reset_by_server": resetByServer,
	})
}
