//! h2 as a server, on one thread or on several that take turns in getting a connection.

use bytes::Bytes;
use h2::{server::SendResponse, RecvStream, SendStream};
use peer::{plan::Plan, tls, Error, Transport, CHUNK, WINDOW};
use std::future::poll_fn;
use tokio::{
    sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender},
    task::spawn_local,
};

async fn send(sender: &mut SendStream<Bytes>, mut rest: Bytes) -> Result<(), Error> {
    while !rest.is_empty() {
        sender.reserve_capacity(rest.len());
        let room = poll_fn(|context| sender.poll_capacity(context)).await.ok_or("the stream is over")??;
        let size = room.min(rest.len());
        sender.send_data(rest.split_to(size), false)?;
    }
    Ok(())
}

async fn answer(request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), Error> {
    let head = http::Response::builder().header("content-type", "application/grpc").body(())?;
    let mut sender = respond.send_response(head, false)?;
    let path = request.uri().path().to_owned();
    if path == "/source" {
        let chunk = Bytes::from(vec![b'x'; CHUNK]);
        loop {
            send(&mut sender, chunk.clone()).await?;
        }
    }
    let mut body = request.into_body();
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        body.flow_control().release_capacity(bytes.len())?;
        if path == "/echo" {
            send(&mut sender, bytes).await?;
        }
    }
    sender.send_data(Bytes::new(), true)?;
    Ok(())
}

async fn serve<T: Transport>(transport: T) -> Result<(), Error> {
    let mut connection = h2::server::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(20000)
        .handshake(transport)
        .await?;
    while let Some(arrived) = connection.accept().await {
        let (request, respond) = arrived?;
        spawn_local(async move {
            let _ = answer(request, respond).await;
        });
    }
    Ok(())
}

/// The connections of one thread.
async fn work(acceptor: Option<tokio_rustls::TlsAcceptor>, mut given: UnboundedReceiver<std::net::TcpStream>) -> Result<(), Error> {
    while let Some(socket) = given.recv().await {
        let socket = tokio::net::TcpStream::from_std(socket)?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        spawn_local(async move {
            match acceptor {
                Some(tls) => serve(tls.accept(socket).await?).await,
                None => serve(socket).await,
            }
        });
    }
    Ok(())
}

fn worker(acceptor: Option<tokio_rustls::TlsAcceptor>) -> UnboundedSender<std::net::TcpStream> {
    let (give, given) = unbounded_channel();
    std::thread::spawn(move || -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        tokio::task::LocalSet::new().block_on(&runtime, work(acceptor, given))
    });
    give
}

fn main() -> Result<(), Error> {
    peer::raise_file_limit();
    let plan = Plan::parse()?;
    let acceptor = match (&plan.cert, &plan.key) {
        (Some(cert), Some(key)) => Some(tls::acceptor(cert, key)?),
        _ => None,
    };
    std::thread::spawn(|| {
        let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0; 1]);
        std::process::exit(0);
    });
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let workers: Vec<_> = (0..plan.threads).map(|_| worker(acceptor.clone())).collect();
    for turn in 0.. {
        let (socket, _) = listener.accept()?;
        socket.set_nonblocking(true)?;
        workers[turn % workers.len()].send(socket)?;
    }
    Ok(())
}
