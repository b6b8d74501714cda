//! Task calls in random sequences, legal and illegal, alone and two at once, of several callers at a time,
//! against the table of states. `MORPH_TEST_CALLS` says how many, `MORPH_TEST_SEED` which ones.

mod lives;
mod model;

use crate::harness::{
    Node, Told, client, code, connect, delete, kill, number, patience, start, wait, wait_for,
};
use crate::pod::creation;
use crate::spec::{Spec, cgroup};
use containerd_shim_protos::api::{
    CheckpointTaskRequest, CloseIORequest, ExecProcessRequest, PauseRequest, PidsRequest, ResumeRequest,
    ShutdownRequest, StateRequest, StatsRequest, Status, UpdateTaskRequest,
};
use containerd_shim_protos::protobuf::MessageField;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::shim_async::TaskClient;
use lives::Life;
use model::{Answer, CALLS, Call, Places};
use morph_shim::state::State;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::path::PathBuf;
use std::sync::Arc;
use ttrpc::Code;

/// Calls where nobody says how many.
const CALLS_DEFAULT: usize = 1_200;

/// Callers at once, each with a task of its own.
const WALKERS: usize = 6;

/// Calls of each that are shown when an answer can't be explained.
const SHOWN: usize = 20;

/// What a task runs.
#[derive(Debug, Clone)]
enum Kind {
    Sandbox,
    /// A guest that never ends, one that ends at once, and one that isn't there.
    Loops(String),
    Ends(String),
    Missing(String),
}

impl Kind {
    /// Whether it ends by itself once it is started.
    fn is_short(&self) -> bool {
        matches!(self, Self::Ends(_) | Self::Missing(_))
    }

    fn spec(&self, id: &str) -> Spec {
        match self {
            Self::Sandbox => Spec::sandbox(id, "demo"),
            Self::Loops(image) | Self::Ends(image) | Self::Missing(image) => Spec::alone(id, image),
        }
    }

    /// The codes with which it may end.
    fn ends_with(&self) -> &'static [u32] {
        match self {
            Self::Sandbox => &[0, 137],
            Self::Loops(_) => &[137, 143],
            Self::Ends(_) => &[0, 137, 143],
            Self::Missing(_) => &[127, 137],
        }
    }
}

/// A component whose command does this.
pub(crate) fn component(body: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (core module $m (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.3" (instance $r)))"#
    ))
    .unwrap()
}

/// One caller and his task.
struct Walker {
    id: String,
    client: TaskClient,
    node: Arc<Node>,
    kinds: Arc<[Kind]>,
    rng: StdRng,
    places: Places,
    life: Option<Life>,
    lives: Vec<Life>,
    history: Vec<String>,
    calls: usize,
}

impl Walker {
    /// One step: a call, two at once, or a wait for the end.
    async fn step(&mut self) {
        if self.places.ends() && !self.places.is_stopped() && self.rng.random_bool(0.4) {
            return self.see_the_end().await;
        }
        let mut call = CALLS[self.rng.random_range(0..CALLS.len())];
        if self.places.is_stopped() && self.rng.random_bool(0.3) {
            call = Call::Delete;
        }
        if self.life.is_none() {
            let kind = self.kinds[self.rng.random_range(0..self.kinds.len())].clone();
            self.life = Some(Life::new(&self.id, kind));
        }
        let mut other = CALLS[self.rng.random_range(0..CALLS.len())];
        if self.rng.random_bool(0.3) {
            other = call;
        }
        // Creation and deletion at once is a story of its own (`calls`).
        let apart = [call, other].contains(&Call::Create) && call != other;
        if self.rng.random_bool(0.2) && !apart {
            let answers = tokio::join!(self.ask(call), self.ask(other));
            self.calls += 2;
            self.both([call, other], [answers.0, answers.1]);
        } else {
            let answer = self.ask(call).await;
            self.calls += 1;
            self.one(call, answer);
        }
        self.turn_over();
    }

    fn is_short(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.kind.is_short())
    }

    fn one(&mut self, call: Call, answer: Answer) {
        let next = self.places.after(call, answer, self.is_short());
        self.moved(&[(call, answer)], next);
    }

    fn both(&mut self, calls: [Call; 2], answers: [Answer; 2]) {
        let next = self.places.after_both(calls, answers, self.is_short());
        self.moved(&[(calls[0], answers[0]), (calls[1], answers[1])], next);
    }

    fn moved(&mut self, done: &[(Call, Answer)], next: Places) {
        self.history.push(format!("{done:?}"));
        let from = self.history.len().saturating_sub(SHOWN);
        let shown = &self.history[from..];
        assert!(!next.is_impossible(), "{}: from {:?}: {shown:#?}", self.id, self.places);
        self.places = next;
        for (call, answer) in done.iter().filter(|(_, answer)| answer.code == Code::OK) {
            if let Some(life) = &mut self.life {
                life.note(*call, *answer, &self.client);
            }
        }
    }

    /// A task that is gone has lived.
    fn turn_over(&mut self) {
        if self.places.is_nowhere() {
            self.lives.extend(self.life.take().filter(Life::was_created));
        }
    }

    async fn see_the_end(&mut self) {
        let end = self.client.wait(patience(), &wait(&self.id)).await;
        end.unwrap_or_else(|error| panic!("{}: {error}: {:#?}", self.id, self.history));
        self.history.push("the end was seen".into());
        self.places.ended();
    }

    /// Takes the task down, whatever it does.
    async fn finish(&mut self) {
        for call in [Call::Kill, Call::Delete] {
            let answer = self.ask(call).await;
            self.one(call, answer);
            self.turn_over();
            if self.places.is_nowhere() {
                return;
            }
            if call == Call::Kill {
                self.see_the_end().await;
            }
        }
        assert!(self.places.is_nowhere(), "{}: {:#?}", self.id, self.history);
    }

    async fn ask(&self, call: Call) -> Answer {
        let id = self.id.clone();
        let (mut state, mut told) = (None, None);
        let code = match call {
            Call::Create => {
                let kind = &self.life.as_ref().unwrap().kind;
                let request = creation(&self.node, &id, &kind.spec(&id));
                let answer = self.client.create(patience(), &request).await;
                told = answer.as_ref().ok().map(|answer| (answer.pid, 0));
                of(answer)
            }
            Call::Start => {
                let answer = self.client.start(patience(), &start(&id)).await;
                told = answer.as_ref().ok().map(|answer| (answer.pid, 0));
                of(answer)
            }
            Call::Delete => {
                let answer = self.client.delete(patience(), &delete(&id)).await;
                told = answer.as_ref().ok().map(|answer| (answer.pid, answer.exit_status));
                of(answer)
            }
            Call::State => {
                let request = StateRequest { id, ..StateRequest::default() };
                let answer = self.client.state(patience(), &request).await;
                state = answer.as_ref().ok().map(|answer| seen(answer.status.enum_value().unwrap()));
                of(answer)
            }
            Call::Pause => {
                let request = PauseRequest { id, ..PauseRequest::default() };
                of(self.client.pause(patience(), &request).await)
            }
            Call::Resume => {
                let request = ResumeRequest { id, ..ResumeRequest::default() };
                of(self.client.resume(patience(), &request).await)
            }
            Call::Ask => of(self.client.kill(patience(), &kill(&id, libc::SIGTERM)).await),
            Call::Kill => of(self.client.kill(patience(), &kill(&id, libc::SIGKILL)).await),
            Call::Ignore => of(self.client.kill(patience(), &kill(&id, libc::SIGWINCH)).await),
            Call::Murder => {
                self.life.as_ref().unwrap().murder();
                Code::OK
            }
            other => self.look(other).await,
        };
        Answer { code, state, told }
    }

    /// Calls that change no state.
    async fn look(&self, call: Call) -> Code {
        let id = self.id.clone();
        match call {
            Call::Update => {
                let json = br#"{"pids": {"limit": 77}}"#.to_vec();
                let resources = MessageField::some(Any { value: json, ..Any::default() });
                let request = UpdateTaskRequest { id, resources, ..UpdateTaskRequest::default() };
                of(self.client.update(patience(), &request).await)
            }
            Call::Pids => {
                let request = PidsRequest { id, ..PidsRequest::default() };
                let answer = self.client.pids(patience(), &request).await;
                // containerd would take it for a leak.
                assert!(answer.as_ref().is_ok_and(|pids| !pids.processes.is_empty()) || answer.is_err());
                of(answer)
            }
            Call::Stats => {
                let request = StatsRequest { id, ..StatsRequest::default() };
                of(self.client.stats(patience(), &request).await)
            }
            Call::Connect => of(self.client.connect(patience(), &connect(&id)).await),
            Call::CloseIo => {
                let request = CloseIORequest { id, stdin: true, ..CloseIORequest::default() };
                of(self.client.close_io(patience(), &request).await)
            }
            Call::Shutdown => {
                let request = ShutdownRequest { id, ..ShutdownRequest::default() };
                of(self.client.shutdown(patience(), &request).await)
            }
            Call::Exec => {
                let request = ExecProcessRequest { id, exec_id: "e".into(), ..ExecProcessRequest::default() };
                of(self.client.exec(patience(), &request).await)
            }
            Call::Checkpoint => {
                let request = CheckpointTaskRequest { id, ..CheckpointTaskRequest::default() };
                of(self.client.checkpoint(patience(), &request).await)
            }
            other => unreachable!("{other:?}"),
        }
    }
}

/// The code of an answer.
fn of<T: std::fmt::Debug>(answer: ttrpc::Result<T>) -> Code {
    if answer.is_ok() { Code::OK } else { code(answer) }
}

fn seen(status: Status) -> State {
    match status {
        Status::CREATED => State::Created,
        Status::RUNNING => State::Running,
        Status::PAUSED => State::Paused,
        Status::STOPPED => State::Stopped,
        other => panic!("{other:?}"),
    }
}

/// The task that comes after all others: when its end is told, all that happened before is.
const LAST: &str = "last";

/// Takes every event as it comes, up to the last.
async fn collect(mut events: tokio::sync::mpsc::Receiver<Told>) -> Vec<Told> {
    let mut all = Vec::new();
    while let Some(told) = events.recv().await {
        let is_last = told.id == LAST && told.topic == "/tasks/delete";
        all.push(told);
        if is_last {
            break;
        }
    }
    all
}

/// Makes so many calls, and takes the task down.
async fn walk(node: Arc<Node>, kinds: Arc<[Kind]>, number: usize, calls: usize, seed: u64) -> Walker {
    let id = format!("t{number}");
    node.bundle(&id, kinds[0].spec(&id).json());
    let mut walker = Walker {
        client: client(&node.start(&id)).await,
        rng: StdRng::seed_from_u64(seed.wrapping_add(number as u64)),
        id,
        node,
        kinds,
        places: Places::nowhere(),
        life: None,
        lives: Vec::new(),
        history: Vec::new(),
        calls: 0,
    };
    let mut tenths = 0;
    while walker.calls < calls {
        walker.step().await;
        if walker.calls * 10 / calls > tenths {
            tenths = walker.calls * 10 / calls;
            println!("{}: {} of {calls} calls", walker.id, walker.calls);
        }
    }
    walker.finish().await;
    walker
}

async fn nothing_is_left(node: &Node) {
    for number in 0..WALKERS {
        let id = format!("t{number}");
        assert!(cgroups(&id).is_empty(), "{:?}", cgroups(&id));
        let bundle = std::fs::read_dir(node.path("bundles").join(&id)).unwrap().flatten();
        let mut left: Vec<_> = bundle.map(|entry| entry.file_name()).collect();
        // Where the server is stays there for containerd, until it removes the bundle.
        left.retain(|name| name != "address");
        assert_eq!(left, ["config.json"], "{id}");
    }
    let (_client, _) = node.created(LAST).await;
    let server = node.server(&node.start(LAST), LAST).await;
    wait_for("alone with its zygote and this one", || children(server).len() == 2);
}

/// Processes that a server has started.
fn children(server: u32) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{server}/task")).unwrap().flatten();
    let children = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    children.flat_map(|text| text.split_whitespace().map(Into::into).collect::<Vec<_>>()).collect()
}

/// Directories of a task's cgroup that are there, of either version.
fn cgroups(id: &str) -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(&root).unwrap().flatten().map(|entry| entry.path());
    hierarchies.chain([root]).map(|place| place.join(cgroup(id))).filter(|path| path.exists()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn random_calls_are_answered_as_the_table_says_and_nothing_is_left() {
    let calls = number("MORPH_TEST_CALLS").map_or(CALLS_DEFAULT, |calls| calls as usize);
    let seed = number("MORPH_TEST_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("{calls} calls; again with MORPH_TEST_SEED={seed}");
    let mut node = Node::new().await;
    let store = node.store();
    let kinds: Arc<[Kind]> = Arc::new([
        Kind::Sandbox,
        Kind::Loops(store.image("loops", component("(loop $l br $l) i32.const 0"))),
        Kind::Ends(store.image("ends", component("i32.const 0"))),
        Kind::Missing(format!("registry.test/nowhere@{}", morph_grant::Digest::of(b"nothing"))),
    ]);
    let events = std::mem::replace(&mut node.told, tokio::sync::mpsc::channel(1).1);
    let events = tokio::spawn(collect(events));
    let node = Arc::new(node);
    let mut walks = tokio::task::JoinSet::new();
    for number in 0..WALKERS {
        walks.spawn(walk(Arc::clone(&node), Arc::clone(&kinds), number, calls.div_ceil(WALKERS), seed));
    }
    let walkers = walks.join_all().await;
    node.created(LAST).await.0.delete(patience(), &delete(LAST)).await.unwrap();
    let events = events.await.unwrap();
    let (mut asked, mut lived) = (0, 0);
    for walker in walkers {
        asked += walker.calls;
        lived += walker.lives.len();
        lives::check(walker.lives, &walker.id, &events).await;
    }
    println!("{asked} calls in {lived} lives of tasks: {} events, all in order", events.len());
    assert!(asked >= calls && lived >= calls / 40, "{asked} calls, {lived} lives");
    nothing_is_left(&node).await;
}
