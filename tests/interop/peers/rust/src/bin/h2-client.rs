//! The crate h2 as a client: h2-client CASE URL CERT

use bytes::Bytes;
use h2::{client::SendRequest, Reason, RecvStream, SendStream};
use http::{HeaderMap, Request};
use peer::{argument, expect, messages, run, split_url, ten_megabytes, Error, Outcome};
use rustls::pki_types::{pem::PemObject, CertificateDer, ServerName};
use std::{future::poll_fn, sync::Arc};
use tokio::net::TcpStream;

struct Client {
    requests: SendRequest<Bytes>,
    base: String,
}

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

/// The crate hands RST_STREAM(NO_ERROR) behind a whole answer to its user, who has to know (as hyper does) what it means.
async fn rest(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut all = Vec::new();
    while let Some(piece) = read(body).await {
        match piece {
            Ok(bytes) => all.extend_from_slice(&bytes),
            Err(error) if error.reason() == Some(Reason::NO_ERROR) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

async fn hear(body: &mut RecvStream, message: &str) -> Outcome {
    let mut got = Vec::new();
    while got.len() < message.len() {
        got.extend_from_slice(&read(body).await.ok_or("the answer ended")??);
    }
    expect("what came back", got, message.into())
}

impl Client {
    async fn connect() -> Result<Client, Error> {
        let (origin, prefix) = split_url(&argument(2)?);
        let address = origin.replace("https://localhost", "127.0.0.1");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(argument(3)?)?)?;
        let mut config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let socket = connector
            .connect(
                ServerName::try_from("localhost")?,
                TcpStream::connect(address).await?,
            )
            .await?;
        let (requests, connection) = h2::client::handshake(socket).await?;
        tokio::spawn(connection);
        Ok(Client {
            requests,
            base: origin + &prefix,
        })
    }

    async fn open(
        &self,
        path: &str,
    ) -> Result<(h2::client::ResponseFuture, SendStream<Bytes>), Error> {
        let request = Request::post(format!("{}{path}", self.base)).body(())?;
        Ok(self
            .requests
            .clone()
            .ready()
            .await?
            .send_request(request, false)?)
    }

    async fn start(&self, path: &str) -> Result<(RecvStream, SendStream<Bytes>), Error> {
        let (response, send) = self.open(path).await?;
        let response = response.await?;
        expect("the status", response.status().as_u16(), 200)?;
        Ok((response.into_body(), send))
    }

    async fn post(&self, path: &str, sent: &'static str) -> Result<String, Error> {
        let (response, mut send) = self.open(path).await?;
        send.send_data(sent.into(), true)?;
        let response = response.await?;
        expect("the status", response.status().as_u16(), 200)?;
        Ok(String::from_utf8(rest(&mut response.into_body()).await?)?)
    }

    async fn unary(&self) -> Outcome {
        expect(
            "what came back",
            self.post("/echo", "hello").await?,
            "hello".into(),
        )
    }

    async fn echo_interleaved(&self) -> Outcome {
        let (mut body, mut send) = self.start("/echo").await?;
        for message in messages() {
            write(&mut send, message.clone().into()).await?;
            hear(&mut body, &message).await?;
        }
        send.send_data(Bytes::new(), true)?;
        expect("bytes left", rest(&mut body).await?.len(), 0)
    }

    async fn ten_megabytes(&self) -> Outcome {
        let sent = ten_megabytes();
        let (mut body, mut send) = self.start("/echo").await?;
        let copy = Bytes::from(sent.clone());
        tokio::spawn(async move {
            write(&mut send, copy).await?;
            Ok::<_, Error>(send.send_data(Bytes::new(), true)?)
        });
        expect("the bytes come back", rest(&mut body).await? == sent, true)
    }

    async fn trailers(&self) -> Outcome {
        let (mut body, mut send) = self.start("/echo").await?;
        write(&mut send, "checked".into()).await?;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "42".parse()?);
        send.send_trailers(trailers)?;
        expect("what came back", rest(&mut body).await?, b"checked".into())?;
        let trailers = body.trailers().await?.ok_or("no trailers")?;
        expect(
            "grpc-status",
            trailers.get("grpc-status").map(|v| v.as_bytes()),
            Some(b"0".as_slice()),
        )
    }

    async fn half_close_ours_first(&self) -> Outcome {
        expect(
            "the count",
            self.post("/sink", "some bytes").await?,
            "10\n".into(),
        )
    }

    async fn half_close_theirs_first(&self) -> Outcome {
        let (mut body, _send) = self.start("/source?bytes=5").await?;
        expect("what came", rest(&mut body).await?, b"abcde".into())?;
        self.unary().await
    }

    async fn reset_by_client(&self) -> Outcome {
        let (mut body, mut send) = self.start("/echo").await?;
        write(&mut send, "forget me".into()).await?;
        hear(&mut body, "forget me").await?;
        send.send_reset(Reason::CANCEL);
        self.unary().await // the connection lives on, and this comes behind the reset
    }

    async fn reset_by_server(&self) -> Outcome {
        let (mut body, _send) = self.start("/reset/CANCEL?after=5").await?;
        hear(&mut body, "abcde").await?;
        let error = rest(&mut body).await.err().ok_or("it was not reset")?;
        expect("the code", error.reason(), Some(Reason::CANCEL))?;
        self.unary().await
    }
}

async fn cases() -> Outcome {
    let name = argument(1)?;
    let client = Client::connect().await?;
    match name.as_str() {
        "unary" => client.unary().await,
        "echo_interleaved" => client.echo_interleaved().await,
        "ten_megabytes" => client.ten_megabytes().await,
        "trailers" => client.trailers().await,
        "half_close_ours_first" => client.half_close_ours_first().await,
        "half_close_theirs_first" => client.half_close_theirs_first().await,
        "reset_by_client" => client.reset_by_client().await,
        "reset_by_server" => client.reset_by_server().await,
        _ => Err("there is no such case".into()),
    }?;
    println!("{name} passed");
    Ok(())
}

fn main() {
    run(cases());
}
