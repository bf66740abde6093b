//! Counts messages for a while, after a warm-up, and prints one line of JSON (bench/common/meter.hpp).

use crate::plan::Plan;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
struct Point {
    messages: u64,
    bytes: u64,
    when: Instant,
    cpu: f64,
}

pub struct Meter {
    messages: u64,
    bytes: u64,
    warm: Instant,
    streams: u64,
    length: Duration,
    began: Option<Point>,
    over: bool,
}

fn usage() -> libc::rusage {
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    }
}

fn cpu_seconds() -> f64 {
    let usage = usage();
    let seconds = |t: libc::timeval| t.tv_sec as f64 + 1e-6 * t.tv_usec as f64;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

pub fn resident_kb() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0.0);
    pages * 4.0
}

impl Meter {
    pub fn new(plan: &Plan) -> Meter {
        Meter {
            messages: 0,
            bytes: 0,
            warm: Instant::now() + Duration::from_secs_f64(0.15 * plan.seconds),
            streams: plan.streams as u64,
            length: Duration::from_secs_f64(plan.seconds),
            began: None,
            over: false,
        }
    }

    /// One message is complete. False when time is over.
    pub fn add(&mut self, bytes: usize) -> bool {
        self.messages += 1;
        self.bytes += bytes as u64;
        self.messages % 16 != 0 || self.look()
    }

    fn look(&mut self) -> bool {
        let now = Instant::now();
        if self.over || now < self.warm || self.messages < self.streams {
            return !self.over;
        }
        let here = Point { messages: self.messages, bytes: self.bytes, when: now, cpu: cpu_seconds() };
        match self.began {
            None => self.began = Some(here),
            Some(began) if now >= began.when + self.length && self.messages >= began.messages + self.streams => {
                self.over = true;
                println!(
                    r#"{{"messages":{},"bytes":{},"seconds":{:.6},"cpu":{:.6},"rss_kb":{}}}"#,
                    here.messages - began.messages,
                    here.bytes - began.bytes,
                    (here.when - began.when).as_secs_f64(),
                    here.cpu - began.cpu,
                    usage().ru_maxrss
                );
            }
            Some(_) => {}
        }
        !self.over
    }
}
