//! The command line: that of every client (bench/common/plan.hpp).

use crate::{Error, CHUNK};

#[derive(Clone, Default)]
pub struct Plan {
    pub workload: String,
    pub port: u16,
    pub ca: Option<String>,
    pub size: usize,
    pub streams: usize,
    pub seconds: f64,
    pub threads: usize,
    pub cert: Option<String>,
    pub key: Option<String>,
}

impl Plan {
    pub fn parse() -> Result<Plan, Error> {
        let mut plan = Plan { size: 16, streams: 1, seconds: 1.0, threads: 1, ..Plan::default() };
        let mut arguments = std::env::args().skip(1).peekable();
        if let Some(word) = arguments.next_if(|a| !a.starts_with("--")) {
            plan.workload = word;
        }
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or("an option without a value")?;
            match option.as_str() {
                "--port" => plan.port = value.parse()?,
                "--ca" => plan.ca = Some(value),
                "--size" => plan.size = value.parse()?,
                "--streams" => plan.streams = value.parse()?,
                "--threads" => plan.threads = value.parse()?,
                "--seconds" => plan.seconds = value.parse()?,
                "--cert" => plan.cert = Some(value),
                "--key" => plan.key = Some(value),
                _ => {} // what only other clients know
            }
        }
        if matches!(plan.workload.as_str(), "up" | "down" | "echo") {
            plan.size = CHUNK;
        }
        Ok(plan)
    }

    pub fn url(&self) -> String {
        let path = match self.workload.as_str() {
            "up" => "/sink",
            "down" => "/source?bytes=1000000000000000",
            _ => "/echo",
        };
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }
}
