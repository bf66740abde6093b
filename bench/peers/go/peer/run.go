package peer

import (
	"os"
	"sync"
)

// Client does the workloads on one connection, whatever a stream S is to it. PingPong, Send and Receive do not return.
type Client[S any] interface {
	Open() S
	// Opened waits until the server has answered.
	Opened(S)
	PingPong(*Meter)
	// Send counts chunks, unless the meter is nil.
	Send(S, *Meter)
	Receive(S, *Meter)
	// Exchange opens a stream, sends one message each way, and ends it.
	Exchange()
	Close()
}

// Run does what the command line says. dial makes a client, which may connect when it first has to.
func Run[S any](dial func(*Plan) Client[S]) {
	plan := Parse()
	switch plan.Workload {
	case "idle":
		idle(plan, dial)
	case "idle-connections":
		idleConnections(plan, dial)
	case "connect", "reconnect":
		connect(plan, dial)
	case "up":
		c := dial(plan)
		c.Send(c.Open(), NewMeter(plan))
	case "down":
		c := dial(plan)
		c.Receive(c.Open(), NewMeter(plan))
	case "echo":
		c := dial(plan)
		s := c.Open()
		go c.Send(s, nil)
		c.Receive(s, NewMeter(plan))
	default:
		many(plan, dial)
	}
}

func many[S any](plan *Plan, dial func(*Plan) Client[S]) {
	m := NewMeter(plan)
	var all sync.WaitGroup
	for range plan.Threads {
		c := dial(plan)
		c.Exchange()
		for range plan.Streams {
			all.Add(1)
			if plan.Workload == "open" {
				go openAndClose(plan, c, m)
			} else {
				go c.PingPong(m)
			}
		}
	}
	all.Wait()
}

func openAndClose[S any](plan *Plan, c Client[S], m *Meter) {
	for {
		c.Exchange()
		m.Add(plan.Size)
	}
}

func connect[S any](plan *Plan, dial func(*Plan) Client[S]) {
	m := NewMeter(plan)
	for {
		c := dial(plan)
		c.Exchange()
		c.Close()
		m.Add(plan.Size)
	}
}

func idle[S any](plan *Plan, dial func(*Plan) Client[S]) {
	c := dial(plan)
	c.Exchange()
	before := Resident()
	all := make([]S, plan.Streams)
	for i := range all {
		all[i] = c.Open()
	}
	for _, s := range all {
		c.Opened(s)
	}
	ReportMemory(plan, before)
	os.Exit(0)
}

func idleConnections[S any](plan *Plan, dial func(*Plan) Client[S]) {
	dial(plan).Exchange()
	before := Resident()
	all := make([]Client[S], plan.Streams)
	for i := range all {
		all[i] = dial(plan)
		all[i].Exchange()
	}
	ReportMemory(plan, before)
	os.Exit(0)
}
