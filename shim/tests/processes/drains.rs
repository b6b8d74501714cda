//! No request is lost while a server ends: whoever has been accepted, by it or by the kernel for it, has the
//! whole of an answer, over new connections and kept ones, HTTP/1.1 and HTTP/2.

use super::support::{PATIENCE, code, guest, server, spec, until, zygote};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use morph_host::{EngineKind, Run, Task};
use morph_shim::process::{Exit, Worker, Zygote};
use morph_shim::wire::FromChild;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const GUESTS: [(&str, EngineKind); 2] = [("hello.wasm", EngineKind::P2), ("hello-p3.wasm", EngineKind::P3)];

/// How long a server goes on accepting, in seconds, and how long clients go on coming: they hear of its end
/// late, but before it closes.
const LAME_DUCK_SECONDS: u32 = 5;
const LAG: Duration = Duration::from_millis(1_000);

/// Clients of each kind, and requests at once on a connection of HTTP/2.
const CLIENTS: usize = 4;
const STREAMS: usize = 4;

/// Answers that have come before the end begins: each client is at it.
const ANSWERS_MIN: usize = 100;

/// Connections that have come when their server ends, and that it has not seen.
const UNSEEN: usize = 50;

/// A server that runs, and where.
async fn listening(zygote: &Zygote, guest: Vec<u8>, engine: EngineKind, task: Task) -> Serving {
    let (spec, output) = spec(code(guest, engine).await, engine, task);
    let mut worker = zygote.fork_worker(spec).await.expect("worker");
    worker.control.start().await.expect("start");
    let said =
        tokio::time::timeout(PATIENCE, worker.control.next()).await.expect("in time").expect("control");
    let Some(FromChild::Listening { address }) = said else { panic!("{said:?} instead of listening") };
    // The guest writes with each request: somebody has to read.
    Serving { worker, readers: output.drained(), address }
}

struct Serving {
    worker: Worker,
    readers: Vec<JoinHandle<u64>>,
    address: SocketAddr,
}

impl Serving {
    async fn start(zygote: &Zygote, (name, engine): (&str, EngineKind), lame_duck_seconds: u32) -> Self {
        let mut task = server();
        if let Run::Server(http) = &mut task.run {
            (http.lame_duck_seconds, http.grace_period_seconds) = (lame_duck_seconds, 60);
        }
        listening(zygote, guest(name), engine, task).await
    }

    fn send(&self, signal: Signal) {
        let pid = Pid::from_raw(self.worker.child.pid).expect("pid");
        kill_process(pid, signal).expect("signal");
    }

    /// Wants that it ends well.
    async fn end(mut self, name: &str) {
        let last = tokio::time::timeout(PATIENCE, self.worker.control.next()).await.expect("in time");
        let well = FromChild::Outcome { code: 0, message: None };
        assert_eq!(last.expect("control"), Some(well), "{name}");
        let exit = tokio::time::timeout(PATIENCE, self.worker.child.wait()).await.expect("in time");
        assert_eq!(exit.expect("wait"), Exit::Code(0), "{name}");
        let written: u64 = self.readers.into_iter().map(|reader| reader.join().expect("reader")).sum();
        assert!(written > 0, "{name}");
    }
}

/// Who asks without a pause, until its server is about to end.
#[derive(Clone)]
struct Client {
    address: SocketAddr,
    answers: Arc<AtomicUsize>,
    /// When it hears of the end.
    told: tokio::sync::watch::Receiver<Option<Instant>>,
}

impl Client {
    /// Whether it comes no more.
    fn stays_away(&self) -> bool {
        self.told.borrow().is_some_and(|stopped| stopped.elapsed() >= LAG)
    }

    fn request(&self, path: &str) -> Request<Empty<Bytes>> {
        let uri = format!("http://{}{path}", self.address);
        Request::get(uri).header(header::HOST, "morph").body(Empty::new()).expect("request")
    }

    async fn stream(&self) -> TokioIo<TcpStream> {
        TokioIo::new(TcpStream::connect(self.address).await.expect("connect"))
    }

    /// Takes the whole of an answer; answers whether it was the connection's last.
    async fn whole(&self, answer: Response<Incoming>) -> bool {
        assert_eq!(answer.status(), StatusCode::OK);
        let is_last = answer.headers().get(header::CONNECTION).is_some_and(|value| value == "close");
        let text = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        assert!(text.ends_with(b"\n"), "{text:?}");
        self.answers.fetch_add(1, Ordering::Relaxed);
        is_last
    }

    /// Asks over HTTP/1.1: with a connection for each request, or with one for as many as it is kept.
    async fn ask(self, keeps: bool) {
        while !self.stays_away() {
            let (mut sender, connection) = http1::handshake(self.stream().await).await.expect("handshake");
            let mut driver = JoinSet::new();
            driver.spawn(connection);
            loop {
                let answer = sender.send_request(self.request("/over/http1")).await.expect("an answer");
                if self.whole(answer).await || !keeps {
                    break;
                }
            }
        }
    }

    /// Asks over HTTP/2, several times at once, until the server says that it goes.
    async fn ask_at_once(self) {
        while !self.stays_away() {
            let handshake = http2::handshake(TokioExecutor::new(), self.stream().await);
            let (sender, connection) = handshake.await.expect("handshake");
            // What hyper hands over to a connection that ends meanwhile lies in their channel until its last
            // sender is gone (hyperium/hyper#4122): nobody has one for longer than it takes to hand over.
            let sender = Arc::new(Mutex::new(Some(sender)));
            let mut tasks = JoinSet::new();
            for _ in 0..STREAMS {
                tasks.spawn(self.clone().ask_by(sender.clone()));
            }
            tasks.spawn(async move {
                connection.await.expect("an orderly end");
                sender.lock().expect("sender").take();
            });
            while let Some(ended) = tasks.join_next().await {
                ended.expect("no request is lost");
            }
        }
    }

    /// Asks over a connection for as long as it is there. What was not sent is nobody's loss; what was is
    /// answered.
    async fn ask_by(self, sender: Arc<Mutex<Option<http2::SendRequest<Empty<Bytes>>>>>) {
        let there = || sender.lock().expect("sender").clone();
        while let Some(mut sender) = there()
            && sender.ready().await.is_ok()
        {
            let answer = sender.try_send_request(self.request("/over/http2"));
            drop(sender);
            let Some(answer) = sent(answer.await) else { break };
            assert_eq!(answer.version(), Version::HTTP_2);
            self.whole(answer).await;
        }
    }
}

/// The answer to what was sent. What a server has said that it doesn't look at was as good as not sent.
fn sent<T>(answer: Result<Response<Incoming>, TrySendError<T>>) -> Option<Response<Incoming>> {
    match answer {
        Ok(answer) => Some(answer),
        Err(mut error) => {
            let (unsent, error) = (error.take_message().is_some(), error.into_error());
            let refused = format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)");
            assert!(unsent || refused, "a request is lost: {error:?}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_from_the_word_to_the_end() {
    for guest in GUESTS {
        let zygote = zygote().await;
        let serving = Serving::start(&zygote, guest, LAME_DUCK_SECONDS).await;
        let (teller, told) = tokio::sync::watch::channel(None);
        let client = Client { address: serving.address, answers: Arc::default(), told };
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(client.clone().ask(false));
            clients.spawn(client.clone().ask(true));
            clients.spawn(client.clone().ask_at_once());
        }
        let answers = || client.answers.load(Ordering::Relaxed);
        until("answers before the end", PATIENCE, || answers() > ANSWERS_MIN).await;
        serving.worker.child.signal(Signal::TERM).expect("signal");
        teller.send_replace(Some(Instant::now()));
        let before = answers();
        while let Some(ended) = clients.join_next().await {
            ended.unwrap_or_else(|error| {
                panic!("{guest:?}, {} answers after the word: {error}", answers() - before)
            });
        }
        assert!(answers() > before, "{guest:?}: nobody came after the word");
        serving.end(guest.0).await;
    }
}

/// A client written by hand, which has a connection and has asked over it.
struct Asked(std::net::TcpStream);

impl Asked {
    fn over(address: SocketAddr) -> Self {
        let stream = std::net::TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        Self(stream).again()
    }

    fn again(mut self) -> Self {
        self.0.write_all(b"GET /by/hand HTTP/1.1\r\nhost: morph\r\n\r\n").expect("request");
        self
    }

    /// Takes an answer up to its last byte.
    fn answered(mut self) -> Self {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n0\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("more of the answer");
            text.extend(byte);
        }
        self
    }

    /// Wants that a whole answer comes, and that the connection is closed after it.
    fn check_answered(mut self, what: &str) {
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"));
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n0\r\n\r\n"), "{what}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_a_server_hears_of_its_end_is_answered() {
    for guest in GUESTS {
        let zygote = zygote().await;
        let serving = Serving::start(&zygote, guest, 0).await;
        let kept: Vec<_> = (0..CLIENTS).map(|_| Asked::over(serving.address).answered()).collect();
        // It sees nothing of what comes now, until it sees all of it at once.
        serving.send(Signal::STOP);
        let kept: Vec<_> = kept.into_iter().map(Asked::again).collect();
        let new: Vec<_> = (0..UNSEEN).map(|_| Asked::over(serving.address)).collect();
        serving.send(Signal::TERM);
        serving.send(Signal::CONT);
        kept.into_iter().for_each(|client| client.check_answered(&format!("{guest:?}, kept")));
        new.into_iter().for_each(|client| client.check_answered(&format!("{guest:?}, new")));
        serving.end(guest.0).await;
    }
}
