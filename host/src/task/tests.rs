//! Tests of `task`.
#![allow(clippy::unwrap_used)]
use super::*;
use morph_grant::{Digest, Http as GrantHttp, Mount, MountUse, RunType, Subject, VolumeKind};

fn document() -> Document {
    let component = Component {
        name: "weather".into(),
        manifest: Digest::of(b"manifest"),
        content: Digest::of(b"content"),
        grants: Grants {
            filesystem: vec![FilesystemGrant {
                volume: "data".into(),
                path: "/d".into(),
                sub_path: None,
                access: Access::ReadOnly,
            }],
            environment: true,
            ..Grants::default()
        },
        limits: Limits { memory_bytes: Some(7 << 20), ..Limits::default() },
        links: Vec::new(),
        env: Vec::new(),
        env_references: Vec::new(),
    };
    Document {
        version: Document::VERSION,
        subject: Subject {
            cluster: "c".into(),
            namespace: "n".into(),
            name: "weather".into(),
            uid: "u".into(),
        },
        run: RunType::Server,
        components: vec![component],
        args: vec!["--units".into()],
        env: vec![EnvLiteral { name: "CITY".into(), value: "Bern".into() }],
        env_references: vec!["KEY".into()],
        env_prefixes: Vec::new(),
        mounts: vec![Mount {
            volume: "data".into(),
            kind: VolumeKind::EmptyDir,
            destination: "/run/hayride.dev/volumes/data".into(),
            read_only: false,
            used_for: MountUse::Filesystem,
        }],
        http: Some(GrantHttp {
            port: 8080,
            lame_duck_seconds: 3,
            grace_period_seconds: 30,
            concurrency: None,
            request_timeout_millis: None,
            body_bytes: None,
            reuse: Reuse::default(),
        }),
    }
}

fn task(document: &Document, referenced: &[(&str, &str)]) -> Option<Task> {
    let referenced = referenced.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Task::granted(document, referenced, |volume| PathBuf::from("/volumes").join(volume))
}

#[test]
fn a_documents_task_has_what_the_document_grants() {
    let document = document();
    let task = task(&document, &[("KEY", "secret")]).unwrap();
    assert_eq!((task.program.as_str(), task.args.as_slice()), ("weather", &["--units".to_owned()][..]));
    assert_eq!(task.env, [("KEY".into(), "secret".into()), ("CITY".into(), "Bern".into())]);
    let preopen = Preopen { path: "/d".into(), directory: "/volumes/data".into(), access: Access::ReadOnly };
    assert_eq!(task.preopens, [preopen]);
    assert_eq!(task.limits.memory_bytes, Some(7 << 20));
    let Run::Server(http) = task.run else { unreachable!("a server's document") };
    assert_eq!((http.port, http.lame_duck_seconds, http.grace_period_seconds), (8080, 3, 30));
}

#[test]
fn bounds_of_requests_are_the_documents_or_the_defaults() {
    let http = document().http.unwrap();
    assert_eq!(Requests::from(&http), Requests::default());
    let own = GrantHttp {
        concurrency: Some(7),
        request_timeout_millis: Some(50),
        body_bytes: Some(9),
        reuse: Reuse::Pooled,
        ..http
    };
    assert_eq!(
        Requests::from(&own),
        Requests { concurrency: 7, timeout_millis: 50, body_bytes: 9, reuse: Reuse::Pooled }
    );
}

#[test]
fn a_document_gets_no_more_places_than_the_engine_has() {
    let http = GrantHttp { concurrency: Some(100_000), ..document().http.unwrap() };
    assert_eq!(Requests::from(&http).concurrency, CONCURRENT_REQUESTS_MAX);
}

#[test]
fn a_literal_wins_over_a_reference_of_the_same_name() {
    let task = task(&document(), &[("CITY", "Basel")]).unwrap();
    assert_eq!(task.env, [("CITY".to_owned(), "Bern".to_owned())]);
}

#[test]
fn a_document_that_contradicts_itself_gives_no_task() {
    let cases: [fn(&mut Document); 3] = [
        |document| document.components.clear(),
        |document| document.http = None,
        |document| document.run = RunType::Command,
    ];
    for change in cases {
        let mut changed = document();
        change(&mut changed);
        assert_eq!(task(&changed, &[]), None);
    }
}

/// The document with a plug `clock` that has rights and variables of its own.
fn with_plug() -> Document {
    let mut document = document();
    document.env_references.push("BOTH".into());
    let mut plug = document.components[0].clone();
    plug.name = "clock".into();
    plug.grants.filesystem[0].path = "/own".into();
    plug.env = vec![EnvLiteral { name: "ZONE".into(), value: "utc".into() }];
    plug.env_references = ["BOTH", "ZONE", "MISSING"]
        .map(|name| EnvReference { name: name.into(), variable: format!("{PLUG_VARIABLE_PREFIX}0_{name}") })
        .into();
    document.components.push(plug);
    document
}

#[test]
fn a_plug_has_its_own_rights_and_variables_and_no_part_sees_anothers() {
    let container = [
        ("KEY", "secret"),
        ("BOTH", "main's"),
        ("HAYRIDE_PLUG_0_BOTH", "plug's"),
        ("HAYRIDE_PLUG_0_ZONE", "loses to the literal"),
        ("HAYRIDE_PLUG_1_OTHER", "another plug's"),
    ];
    let task = task(&with_plug(), &container).unwrap();
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    assert_eq!(task.env, pairs(&[("KEY", "secret"), ("BOTH", "main's"), ("CITY", "Bern")]));
    let [plug] = &task.plugs[..] else { unreachable!("one plug: {:?}", task.plugs) };
    assert_eq!(plug.name, "clock");
    assert_eq!(plug.env, pairs(&[("BOTH", "plug's"), ("ZONE", "utc")]));
    let paths = |preopens: &[Preopen]| preopens.iter().map(|p| p.path.clone()).collect::<Vec<_>>();
    assert_eq!((paths(&task.preopens), paths(&plug.preopens)), (vec!["/d".into()], vec!["/own".into()]));
    assert_eq!(plug.grants, with_plug().components[1].grants);
}

#[test]
fn a_task_survives_its_way_to_the_worker() {
    for task in [task(&with_plug(), &[]).unwrap(), Task::ungranted("hand", Run::Command)] {
        let sent = serde_json::to_vec(&task).unwrap();
        assert_eq!(serde_json::from_slice::<Task>(&sent).unwrap(), task);
    }
}
