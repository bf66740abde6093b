//! tonic as a client: tonic-client CASE URL CERT

use bytes::Bytes;
use peer::{argument, codec::Raw, expect, messages, run, split_url, ten_megabytes, Error, Outcome};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    client::Grpc,
    transport::{Certificate, Channel, ClientTlsConfig},
    Code, Request, Status, Streaming,
};

struct Client {
    grpc: Grpc<Channel>,
    prefix: String,
}

async fn hear(answers: &mut Streaming<Bytes>, message: &[u8]) -> Outcome {
    let got = answers.message().await?.ok_or("the answers ended")?;
    expect("what came back", got == message, true)
}

async fn end(mut answers: Streaming<Bytes>) -> Outcome {
    expect("the end", answers.message().await?, None)
}

impl Client {
    async fn connect() -> Result<Client, Error> {
        let (origin, prefix) = split_url(&argument(2)?);
        let trust = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(std::fs::read(argument(3)?)?));
        let channel = Channel::from_shared(origin)?
            .tls_config(trust)?
            .connect()
            .await?;
        Ok(Client {
            grpc: Grpc::new(channel),
            prefix,
        })
    }

    async fn start(
        &mut self,
        path: &str,
    ) -> Result<(mpsc::Sender<Bytes>, Result<Streaming<Bytes>, Status>), Error> {
        let (send, messages) = mpsc::channel(1);
        self.grpc.ready().await?;
        let path = format!("{}{path}", self.prefix).parse()?;
        let answers = self
            .grpc
            .streaming(Request::new(ReceiverStream::new(messages)), path, Raw)
            .await;
        Ok((send, answers.map(|answer| answer.into_inner())))
    }

    async fn unary(&mut self) -> Outcome {
        self.grpc.ready().await?;
        let path = format!("{}/interop/echo", self.prefix).parse()?;
        let got = self
            .grpc
            .unary(Request::new(Bytes::from("hello")), path, Raw)
            .await?
            .into_inner();
        expect("what came back", got, "hello".into())
    }

    async fn echo_interleaved(&mut self) -> Outcome {
        let (send, answers) = self.start("/interop/echo").await?;
        let mut answers = answers?;
        for message in messages() {
            send.send(message.clone().into()).await?;
            hear(&mut answers, message.as_bytes()).await?;
        }
        drop(send);
        end(answers).await
    }

    async fn ten_megabytes(&mut self) -> Outcome {
        let sent = Bytes::from(ten_megabytes());
        let pieces: Vec<_> = (0..160)
            .map(|number| sent.slice(number * 62_500..(number + 1) * 62_500))
            .collect();
        let (send, answers) = self.start("/interop/echo").await?;
        let mut answers = answers?;
        let copies = pieces.clone();
        tokio::spawn(async move {
            for piece in copies {
                let _ = send.send(piece).await;
            }
        });
        for piece in pieces {
            hear(&mut answers, &piece).await?;
        }
        end(answers).await
    }

    async fn trailers(&mut self) -> Outcome {
        let (send, answers) = self.start("/interop/echo").await?;
        let mut answers = answers?;
        send.send("checked".into()).await?;
        drop(send);
        hear(&mut answers, b"checked").await?;
        expect("the end", answers.message().await?, None)?; // an error without grpc-status: 0 among the trailers
        answers
            .trailers()
            .await?
            .map(|_| ())
            .ok_or_else(|| "no trailers".into())
    }

    async fn half_close_ours_first(&mut self) -> Outcome {
        let (send, answers) = self.start("/interop/echo").await?;
        for message in messages() {
            send.send(message.into()).await?;
        }
        drop(send);
        let mut answers = answers?;
        for message in messages() {
            hear(&mut answers, message.as_bytes()).await?;
        }
        end(answers).await
    }

    async fn half_close_theirs_first(&mut self) -> Outcome {
        let (_send, answers) = self.start("/trailers-only").await?;
        end(answers?).await?;
        self.unary().await
    }

    async fn reset_by_server(&mut self) -> Outcome {
        let (_send, answers) = self.start("/reset/ENHANCE_YOUR_CALM").await?;
        let status = match answers {
            Err(status) => status,
            Ok(mut answers) => answers.message().await.err().ok_or("it was not reset")?,
        };
        expect("the status", status.code(), Code::ResourceExhausted)?;
        self.unary().await
    }
}

async fn cases() -> Outcome {
    let name = argument(1)?;
    let mut client = Client::connect().await?;
    match name.as_str() {
        "unary" => client.unary().await,
        "echo_interleaved" => client.echo_interleaved().await,
        "ten_megabytes" => client.ten_megabytes().await,
        "trailers" => client.trailers().await,
        "half_close_ours_first" => client.half_close_ours_first().await,
        "half_close_theirs_first" => client.half_close_theirs_first().await,
        "reset_by_server" => client.reset_by_server().await,
        _ => Err("there is no such case".into()),
    }?;
    println!("{name} passed");
    Ok(())
}

fn main() {
    run(cases());
}
