//! h2 as a server, on one thread.

use bytes::Bytes;
use h2::{server::SendResponse, RecvStream, SendStream};
use peer::{plan::Plan, tls, Error, Transport, CHUNK, WINDOW};
use std::future::poll_fn;
use tokio::{net::TcpListener, task::spawn_local};

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

async fn run() -> Result<(), Error> {
    let plan = Plan::parse()?;
    let acceptor = match (&plan.cert, &plan.key) {
        (Some(cert), Some(key)) => Some(tls::acceptor(cert, key)?),
        _ => None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        spawn_local(async move {
            match acceptor {
                Some(tls) => serve(tls.accept(socket).await?).await,
                None => serve(socket).await,
            }
        });
    }
}

fn main() -> Result<(), Error> {
    peer::raise_file_limit();
    // Before the runtime, so that its thread is the one that is measured.
    std::thread::spawn(|| {
        let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0; 1]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run())
}
