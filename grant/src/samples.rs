//! For tests: a document (one Server with a volume and variables), keys, and what these keys seal and open.

use crate::{
    Access, Component, ConnectRule, Digest, Document, EnvLiteral, EnvelopeError, FilesystemGrant, Grants,
    Http, HttpGrant, HttpLimits, HttpRule, HttpScheme, Limits, Mount, MountUse, Peer, Protocol, Reuse,
    RunType, SigningKey, SocketsGrant, Subject, TrustedKeys, VolumeKind,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

pub(crate) fn document() -> Document {
    Document {
        version: Document::VERSION,
        subject: Subject {
            cluster: "6e1c".into(),
            namespace: "demo".into(),
            name: "weather".into(),
            uid: "77aa".into(),
        },
        run: RunType::Server,
        components: vec![Component {
            name: "weather".into(),
            manifest: Digest::of(b"manifest"),
            content: Digest::of(b"content"),
            grants: Grants {
                filesystem: vec![FilesystemGrant {
                    volume: "data".into(),
                    path: "/data".into(),
                    sub_path: None,
                    access: Access::ReadWrite,
                }],
                environment: true,
                ..Grants::default()
            },
            limits: Limits { memory_bytes: Some(64 << 20), ..Limits::default() },
            links: vec![],
            env: Vec::new(),
            env_references: Vec::new(),
        }],
        args: vec!["--units".into(), "metric".into()],
        env: vec![EnvLiteral { name: "LOG".into(), value: "$(X) \"é\"\n".into() }],
        env_references: vec!["CITY".into()],
        env_prefixes: vec![],
        mounts: vec![Mount {
            volume: "data".into(),
            kind: VolumeKind::PersistentVolumeClaim,
            destination: "/.morph/volumes/data".into(),
            read_only: false,
            used_for: MountUse::Filesystem,
        }],
        http: Some(Http {
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

pub(crate) fn http() -> HttpGrant {
    HttpGrant {
        allow: vec![HttpRule {
            host: "api.weather.example".into(),
            ports: vec![443],
            methods: vec!["GET".into()],
            path_prefixes: vec!["/v1".into()],
            scheme: HttpScheme::Https,
            addresses: vec![],
            credential: None,
        }],
        ca_bundle: None,
        limits: HttpLimits {
            concurrency: 32,
            timeout_millis: 30_000,
            request_bytes: 1 << 20,
            response_bytes: 1 << 20,
        },
    }
}

pub(crate) fn sockets() -> SocketsGrant {
    SocketsGrant {
        connect: vec![ConnectRule {
            peer: Peer::Host("db.demo.svc".into()),
            ports: vec![5432],
            protocol: Protocol::Tcp,
            addresses: vec!["10.96.0.0/12".into()],
        }],
        ..SocketsGrant::default()
    }
}

/// A key that is the same in every run.
pub(crate) fn key(seed: u64) -> SigningKey {
    SigningKey::generate(&mut StdRng::seed_from_u64(seed))
}

/// Trusts [`key`] 1 and nobody else.
pub(crate) fn trusted() -> TrustedKeys {
    [key(1).public()].into_iter().collect()
}

/// Seals with [`key`] 1.
pub(crate) fn seal(document: &Document) -> Result<String, EnvelopeError> {
    crate::seal(document, &key(1))
}

/// Opens what [`key`] 1 has signed.
pub(crate) fn open(text: &str) -> Result<Document, EnvelopeError> {
    crate::open(text, &trusted())
}
