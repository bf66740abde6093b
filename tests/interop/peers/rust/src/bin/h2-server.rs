//! The crate h2 as a server: h2-server CERT KEY

use bytes::Bytes;
use h2::{server::SendResponse, Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use peer::{argument, run, say, tell, Error, Outcome};
use rustls::pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer};
use std::{future::poll_fn, sync::Arc};
use tokio::net::TcpListener;

async fn write(send: &mut SendStream<Bytes>, mut bytes: Bytes) -> Outcome {
    while !bytes.is_empty() {
        send.reserve_capacity(bytes.len());
        let room = poll_fn(|context| send.poll_capacity(context))
            .await
            .ok_or("the stream is closed")??;
        send.send_data(bytes.split_to(room.min(bytes.len())), false)?;
    }
    Ok(())
}

async fn read(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let piece = body.data().await?;
    if let Ok(bytes) = &piece {
        let _ = body.flow_control().release_capacity(bytes.len());
    }
    Some(piece)
}

async fn count(body: &mut RecvStream) -> Result<usize, h2::Error> {
    let mut received = 0;
    while let Some(piece) = read(body).await {
        received += piece?.len();
    }
    Ok(received)
}

async fn echo(path: &str, body: &mut RecvStream, send: &mut SendStream<Bytes>) -> Outcome {
    let mut received = 0;
    while let Some(piece) = read(body).await {
        let bytes = piece.inspect_err(|_| tell(path, false, received))?;
        received += bytes.len();
        write(send, bytes).await?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse()?);
    if let Some(sum) = body.trailers().await?.as_ref().and_then(|t| t.get("x-sum")) {
        trailers.insert("x-sum", sum.clone());
    }
    tell(path, true, received);
    Ok(send.send_trailers(trailers)?)
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Outcome {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body();
    let mut send = respond.send_response(Response::new(()), false)?;
    match path.split('/').nth(1) {
        Some("echo") => echo(&path, &mut body, &mut send).await,
        Some("sink") => {
            let received = count(&mut body).await?;
            tell(&path, true, received);
            write(&mut send, format!("{received}\n").into()).await?;
            Ok(send.send_data(Bytes::new(), true)?)
        }
        Some("source") => {
            send.send_data(Bytes::from("abcde"), true)?;
            let received = count(&mut body).await?;
            tell(&path, true, received);
            Ok(())
        }
        _ => {
            send.send_data(Bytes::from("abcde"), false)?;
            tokio::task::yield_now().await; // a reset drops what has not been written
            tokio::task::yield_now().await;
            send.send_reset(Reason::CANCEL);
            Ok(())
        }
    }
}

fn acceptor() -> Result<tokio_rustls::TlsAcceptor, Error> {
    let chain = CertificateDer::pem_file_iter(argument(1)?)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(argument(2)?)?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config).into())
}

async fn serve() -> Outcome {
    let acceptor = acceptor()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&listener.local_addr()?.port().to_string());
    loop {
        let (socket, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(acceptor.accept(socket).await?).await?;
            while let Some(request) = connection.accept().await {
                let (request, respond) = request?;
                tokio::spawn(answer(request, respond));
            }
            Ok::<(), Error>(())
        });
    }
}

fn main() {
    run(serve());
}
