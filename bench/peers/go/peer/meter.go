package peer

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Meter counts messages for a while, after a warm-up, and prints one line of JSON (bench/common/meter.hpp).
type Meter struct {
	mutex    sync.Mutex
	messages int
	bytes    int
	warm     time.Time
	streams  int
	length   time.Duration
	began    *point
}

type point struct {
	messages, bytes int
	when            time.Time
	cpu             float64
}

// NewMeter starts the warm-up.
func NewMeter(p *Plan) *Meter {
	length := time.Duration(p.Seconds * float64(time.Second))
	return &Meter{warm: time.Now().Add(length * 15 / 100), streams: p.Streams * p.Threads, length: length}
}

// Add counts a message. When time is over it reports, and ends the program.
func (m *Meter) Add(bytes int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.messages++
	m.bytes += bytes
	if m.messages%16 == 0 {
		m.look()
	}
}

func (m *Meter) look() {
	now := time.Now()
	if now.Before(m.warm) || m.messages < m.streams {
		return
	}
	cpu, rss := usage()
	here := point{m.messages, m.bytes, now, cpu}
	if m.began == nil {
		m.began = &here
	} else if now.Sub(m.began.when) >= m.length && m.messages >= m.began.messages+m.streams {
		fmt.Printf("{\"messages\":%d,\"bytes\":%d,\"seconds\":%.6f,\"cpu\":%.6f,\"rss_kb\":%d}\n",
			here.messages-m.began.messages, here.bytes-m.began.bytes, now.Sub(m.began.when).Seconds(),
			here.cpu-m.began.cpu, rss)
		os.Exit(0)
	}
}

func usage() (cpu float64, rss int64) {
	var u syscall.Rusage
	Check(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + 1e-6*float64(t.Usec) }
	return seconds(u.Utime) + seconds(u.Stime), u.Maxrss
}

// Resident is our memory in kB, after the garbage is gone.
func Resident() float64 {
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	Check(err)
	var size, pages float64
	_, err = fmt.Sscan(string(text), &size, &pages)
	Check(err)
	return pages * float64(os.Getpagesize()) / 1024
}

// ReportMemory prints what each of the plan's idle things costs.
func ReportMemory(p *Plan, before float64) {
	fmt.Printf("{\"things\":%d,\"kb_each\":%.3f,\"server_kb_each\":0}\n", p.Streams,
		(Resident()-before)/float64(p.Streams))
}
