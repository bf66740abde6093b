// Package peer is what the four programs share.
package peer

import (
	"fmt"
	"net"
	"os"
	"sync"
)

// The bytes of the cases: the harness knows them as well.
const (
	Ten  = 10_000_000
	Late = 1000
)

// Messages are sent one by one, each when the one before has come back.
var Messages = []string{"message 0", "message 1", "message 2", "message 3", "message 4"}

// Check ends the program if something went wrong.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Expect ends the program if what was seen is not what was wanted.
func Expect(what string, seen, wanted any) {
	if seen != wanted {
		Check(fmt.Errorf("%s: %v, not %v", what, seen, wanted))
	}
}

// Listen listens on a port that the system picks, and tells which.
func Listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return listener
}

var telling sync.Mutex

// Tell says how a request ended, and how many bytes came with it.
func Tell(path string, whole bool, received int) {
	outcome := "reset"
	if whole {
		outcome = "end"
	}
	telling.Lock()
	defer telling.Unlock()
	fmt.Println(path, outcome, received)
}

// Run runs the case that the command line names.
func Run(cases map[string]func()) {
	run := cases[os.Args[1]]
	if run == nil {
		Check(fmt.Errorf("there is no case %s", os.Args[1]))
	}
	run()
	fmt.Println(os.Args[1], "passed")
}
