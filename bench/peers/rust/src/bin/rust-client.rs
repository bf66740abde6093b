//! h2 as a client, on one thread, as many tasks as streams.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use peer::{meter, meter::Meter, plan::Plan, tls, Error, Transport, WINDOW};
use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::task::spawn_local;

type Shared<T> = Rc<RefCell<T>>;

struct Client {
    plan: Plan,
    url: String,
    out: Bytes,
    connector: Option<tokio_rustls::TlsConnector>,
}

impl Client {
    fn new(plan: Plan) -> Result<Client, Error> {
        let connector = plan.ca.as_deref().map(|ca| tls::connector(ca, plan.workload == "reconnect")).transpose()?;
        Ok(Client { url: plan.url(), out: Bytes::from(vec![b'x'; plan.size]), connector, plan })
    }

    async fn dial(&self) -> Result<SendRequest<Bytes>, Error> {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", self.plan.port)).await?;
        socket.set_nodelay(true)?;
        let transport: Box<dyn Transport> = match &self.connector {
            Some(tls) => Box::new(tls.connect("127.0.0.1".try_into()?, socket).await?),
            None => Box::new(socket),
        };
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .initial_max_send_streams(20000)
            .handshake(transport)
            .await?;
        spawn_local(async move {
            let _ = connection.await;
        });
        Ok(requests)
    }

    async fn open(&self, requests: &SendRequest<Bytes>) -> Result<(h2::client::ResponseFuture, SendStream<Bytes>), Error> {
        let head = http::Request::post(self.url.as_str()).body(())?;
        Ok(requests.clone().ready().await?.send_request(head, false)?)
    }

    async fn get_back(&self, body: &mut RecvStream) -> Result<(), Error> {
        let mut back = 0;
        while back < self.plan.size {
            back += receive(body).await?.ok_or("the server ended the stream")?;
        }
        Ok(())
    }

    async fn ping_pong(self: Rc<Self>, requests: SendRequest<Bytes>, meter: Shared<Meter>) -> Result<(), Error> {
        let (response, mut sender) = self.open(&requests).await?;
        let mut body = response.await?.into_body();
        loop {
            sender.send_data(self.out.clone(), false)?;
            self.get_back(&mut body).await?;
            if !meter.borrow_mut().add(self.plan.size) {
                finish(&self.plan);
            }
        }
    }

    async fn bulk(self: Rc<Self>, requests: SendRequest<Bytes>, meter: Shared<Meter>) -> Result<(), Error> {
        let (response, mut sender) = self.open(&requests).await?;
        match self.plan.workload.as_str() {
            "up" => {
                while meter.borrow_mut().add(self.plan.size) {
                    send_with_capacity(&mut sender, &self.out).await?;
                }
                finish(&self.plan);
            }
            "echo" => {
                let own = self.clone();
                spawn_local(async move { while send_with_capacity(&mut sender, &own.out).await.is_ok() {} });
            }
            _ => {}
        }
        let mut body = response.await?.into_body();
        let mut back = 0;
        loop {
            back += receive(&mut body).await?.ok_or("the server ended the stream")?;
            while back >= self.plan.size {
                back -= self.plan.size;
                if !meter.borrow_mut().add(self.plan.size) {
                    finish(&self.plan);
                }
            }
        }
    }

    async fn exchange(&self, requests: &SendRequest<Bytes>) -> Result<(), Error> {
        let (response, mut sender) = self.open(requests).await?;
        sender.send_data(self.out.clone(), true)?;
        let mut body = response.await?.into_body();
        while receive(&mut body).await?.is_some() {}
        Ok(())
    }

    async fn open_close(self: Rc<Self>, requests: SendRequest<Bytes>, meter: Shared<Meter>) -> Result<(), Error> {
        loop {
            self.exchange(&requests).await?;
            if !meter.borrow_mut().add(self.plan.size) {
                finish(&self.plan);
            }
        }
    }

    async fn connect(&self, meter: Shared<Meter>) -> Result<(), Error> {
        loop {
            let requests = self.dial().await?;
            self.exchange(&requests).await?;
            if !meter.borrow_mut().add(self.plan.size) {
                return Ok(());
            }
        }
    }

    async fn idle(&self) -> Result<(), Error> {
        let requests = self.dial().await?;
        self.exchange(&requests).await?;
        let before = meter::resident_kb();
        let mut all = Vec::with_capacity(self.plan.streams);
        for _ in 0..self.plan.streams {
            all.push(self.open(&requests).await?);
        }
        let mut bodies = Vec::with_capacity(self.plan.streams);
        for (response, sender) in all {
            bodies.push((response.await?.into_body(), sender));
        }
        self.report_memory(before);
        Ok(())
    }

    async fn idle_connections(&self) -> Result<(), Error> {
        self.exchange(&self.dial().await?).await?;
        let before = meter::resident_kb();
        let mut all = Vec::with_capacity(self.plan.streams);
        for _ in 0..self.plan.streams {
            let requests = self.dial().await?;
            self.exchange(&requests).await?;
            all.push(requests);
        }
        self.report_memory(before);
        Ok(())
    }

    fn report_memory(&self, before: f64) {
        let each = (meter::resident_kb() - before) / self.plan.streams as f64;
        println!(r#"{{"things":{},"kb_each":{each:.3},"server_kb_each":0}}"#, self.plan.streams);
    }
}

async fn receive(body: &mut RecvStream) -> Result<Option<usize>, Error> {
    let Some(bytes) = body.data().await else { return Ok(None) };
    let size = bytes?.len();
    body.flow_control().release_capacity(size)?;
    Ok(Some(size))
}

async fn send_with_capacity(sender: &mut SendStream<Bytes>, bytes: &Bytes) -> Result<(), Error> {
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        sender.reserve_capacity(rest.len());
        let room = poll_fn(|context| sender.poll_capacity(context)).await.ok_or("the stream is over")??;
        let size = room.min(rest.len());
        sender.send_data(rest.split_to(size), false)?;
    }
    Ok(())
}

async fn run(plan: Plan) -> Result<(), Error> {
    let client = Rc::new(Client::new(plan)?);
    match client.plan.workload.as_str() {
        "idle" => return client.idle().await,
        "idle-connections" => return client.idle_connections().await,
        "connect" | "reconnect" => return client.connect(Rc::new(RefCell::new(Meter::new(&client.plan)))).await,
        _ => {}
    }
    let requests = client.dial().await?;
    let meter = Rc::new(RefCell::new(Meter::new(&client.plan)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..client.plan.streams {
        let (c, r, m) = (client.clone(), requests.clone(), meter.clone());
        match client.plan.workload.as_str() {
            "pingpong" => tasks.spawn_local(c.ping_pong(r, m)),
            "open" => tasks.spawn_local(c.open_close(r, m)),
            _ => tasks.spawn_local(c.bulk(r, m)),
        };
    }
    tasks.join_next().await.ok_or("nothing to do")??
}

/// This thread has measured: the last one ends the program.
fn finish(plan: &Plan) -> ! {
    static OVER: AtomicUsize = AtomicUsize::new(0);
    if OVER.fetch_add(1, Ordering::Relaxed) + 1 == plan.threads {
        std::process::exit(0);
    }
    loop {
        std::thread::park();
    }
}

fn run_on_thread(plan: Plan) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run(plan))
}

fn main() -> Result<(), Error> {
    peer::raise_file_limit();
    let plan = Plan::parse()?;
    for _ in 1..plan.threads {
        let own = plan.clone();
        std::thread::spawn(move || run_on_thread(own));
    }
    run_on_thread(plan)
}
