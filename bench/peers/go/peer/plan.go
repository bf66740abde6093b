// Package peer is what the Go programs share: the command line, the meter, and TLS.
package peer

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// Chunk is the message of the bulk workloads, Window what they need on a fast path.
const (
	Chunk  = 64 << 10
	Window = 16 << 20
)

// Plan is the command line: that of every client (bench/common/plan.hpp).
type Plan struct {
	Workload  string
	Port      int
	CA        string
	Size      int
	Streams   int
	Seconds   float64
	Threads   int
	Cert, Key string
}

// Parse reads the command line: the workload, if there is one, and options.
func Parse() *Plan {
	plan := &Plan{}
	arguments := os.Args[1:]
	if len(arguments) > 0 && arguments[0][0] != '-' {
		plan.Workload, arguments = arguments[0], arguments[1:]
	}
	options := flag.NewFlagSet("peer", flag.ExitOnError)
	options.IntVar(&plan.Port, "port", 0, "")
	options.StringVar(&plan.CA, "ca", "", "")
	options.IntVar(&plan.Size, "size", 16, "")
	options.IntVar(&plan.Streams, "streams", 1, "")
	options.Float64Var(&plan.Seconds, "seconds", 1, "")
	options.StringVar(&plan.Cert, "cert", "", "")
	options.StringVar(&plan.Key, "key", "", "")
	options.IntVar(&plan.Threads, "threads", 1, "")
	options.Int("server-pid", 0, "")
	Check(options.Parse(arguments))
	switch plan.Workload {
	case "up", "down", "echo":
		plan.Size = Chunk
	}
	raiseFileLimit()
	runtime.GOMAXPROCS(plan.Threads)
	return plan
}

// Path is what selects the server's part.
func (p *Plan) Path() string {
	switch p.Workload {
	case "up":
		return "/sink"
	case "down":
		return "/source"
	}
	return "/echo"
}

// Address is where the server listens.
func (p *Plan) Address() string { return fmt.Sprintf("127.0.0.1:%d", p.Port) }

// For all connections of the program.
var sessions = tls.NewLRUClientSessionCache(1)

// TLS trusts the plan's authority; nil without one.
func (p *Plan) TLS() *tls.Config {
	if p.CA == "" {
		return nil
	}
	pem, err := os.ReadFile(p.CA)
	Check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}}
	if p.Workload == "reconnect" {
		config.ClientSessionCache = sessions
	}
	return config
}

// Check ends the program on an error.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}
