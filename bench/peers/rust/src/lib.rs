//! What the client and the server share: the command line, the meter, and sockets with or without TLS.

pub mod meter;
pub mod plan;
pub mod tls;

use tokio::io::{AsyncRead, AsyncWrite};

pub const CHUNK: usize = 64 << 10;
pub const WINDOW: u32 = 16 << 20;

pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A socket, or TLS on one.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

pub fn raise_file_limit() {
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}
