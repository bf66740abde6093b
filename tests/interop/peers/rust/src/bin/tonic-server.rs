//! tonic as a server: tonic-server CERT KEY

use bytes::Bytes;
use http::{Request, Response};
use peer::{argument, codec::Raw, run, say, tell, Outcome};
use std::{
    convert::Infallible,
    future::{ready, Future, Ready},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    body::Body,
    server::{Grpc, StreamingService},
    transport::{Identity, Server, ServerTlsConfig},
    Status, Streaming,
};
use tower_service::Service;

type Answers = mpsc::Sender<Result<Bytes, Status>>;

async fn answer(path: String, mut messages: Streaming<Bytes>, answers: Answers) {
    let what = path.split('/').nth(2).unwrap_or_default();
    if what == "source" {
        let _ = answers.send(Ok("abcde".into())).await;
        return tell(&path, true, 0);
    }
    let mut received = 0;
    loop {
        match messages.message().await {
            Ok(Some(message)) => {
                received += message.len();
                if what == "echo" {
                    let _ = answers.send(Ok(message)).await;
                }
            }
            Ok(None) => break,
            Err(_) => return tell(&path, false, received),
        }
    }
    tokio::task::yield_now().await; // a reset ends the messages too, and then nobody waits for answers
    tokio::task::yield_now().await;
    tell(&path, !answers.is_closed(), received);
    if what == "sink" {
        let _ = answers.send(Ok(format!("{received}\n").into())).await;
    }
}

struct Handler(String);

impl StreamingService<Bytes> for Handler {
    type Response = Bytes;
    type ResponseStream = ReceiverStream<Result<Bytes, Status>>;
    type Future = Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let (answers, stream) = mpsc::channel(1);
        tokio::spawn(answer(self.0.clone(), request.into_inner(), answers));
        ready(Ok(tonic::Response::new(ReceiverStream::new(stream))))
    }
}

#[derive(Clone)]
struct Paths;

impl Service<Request<Body>> for Paths {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let handler = Handler(request.uri().path().to_owned());
            Ok(Grpc::new(Raw).streaming(handler, request).await)
        })
    }
}

async fn serve() -> Outcome {
    let identity = Identity::from_pem(std::fs::read(argument(1)?)?, std::fs::read(argument(2)?)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&listener.local_addr()?.port().to_string());
    Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))?
        .serve_with_incoming(Paths, TcpListenerStream::new(listener))
        .await?;
    Ok(())
}

fn main() {
    run(serve());
}
