//! What the four programs share.

pub mod codec;

use std::{future::Future, io::Write};

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Outcome = Result<(), Error>;

pub const TEN_MEGABYTES: usize = 10_000_000;

pub fn messages() -> impl Iterator<Item = String> {
    (0..5).map(|number| format!("message {number}"))
}

/// Bytes that no two places of which are alike enough to be mistaken for each other.
pub fn ten_megabytes() -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    (0..TEN_MEGABYTES)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

pub fn expect<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, wanted: T) -> Outcome {
    if seen == wanted {
        return Ok(());
    }
    let mut text = format!("{what}: {seen:?}, not {wanted:?}");
    text.truncate(400);
    Err(text.into())
}

/// Says how a request ended, and how many bytes came with it.
pub fn tell(path: &str, whole: bool, received: usize) {
    say(&format!(
        "{path} {} {received}",
        if whole { "end" } else { "reset" }
    ));
}

pub fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// One thread, so that a task that yields lets the connection write what it has.
pub fn run(body: impl Future<Output = Outcome>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if let Err(error) = runtime.block_on(body) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

pub fn argument(number: usize) -> Result<String, Error> {
    std::env::args()
        .nth(number)
        .ok_or_else(|| format!("argument {number} is missing").into())
}

/// The origin of the URL, and what goes before every path.
pub fn split_url(url: &str) -> (String, String) {
    let host = url.find("://").map_or(0, |at| at + 3);
    match url[host..].find('/') {
        Some(at) => (url[..host + at].into(), url[host + at..].into()),
        None => (url.into(), String::new()),
    }
}
