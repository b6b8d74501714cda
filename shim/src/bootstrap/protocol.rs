//! The two ways in which containerd asks for a server: protobuf on standard input (2.3 and later), or flags
//! and environment. Each is answered in its own form.

use crate::arguments::Arguments;
use containerd_shim_protos::bootstrap_api::{BootstrapParams, BootstrapResult, LogLevel};
use containerd_shim_protos::protobuf::{Enum, Message};

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Protobuf, task service of version 3.
    Protobuf,
    /// The bare address, which stands for version 2: the most that containerd 1.7 takes, and all take it.
    Address,
}

/// What containerd asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Id of the task.
    pub id: String,
    /// containerd's namespace.
    pub namespace: String,
    /// containerd's gRPC socket.
    pub containerd: String,
    /// containerd's ttrpc socket.
    pub containerd_ttrpc: String,
    /// Say more in the log.
    pub debug: bool,
    /// How to answer.
    pub form: Form,
}

impl Request {
    /// Takes the request from wherever it is.
    ///
    /// # Errors
    /// In words: parameters for another task, or without containerd's addresses.
    pub fn read(arguments: &Arguments, input: &[u8]) -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        Self::from_parts(arguments, input, variable("TTRPC_ADDRESS"), variable("GRPC_ADDRESS"))
    }

    fn from_parts(
        arguments: &Arguments,
        input: &[u8],
        ttrpc_address: String,
        grpc_address: String,
    ) -> Result<Self, String> {
        let request = match params(arguments, input)? {
            Some(params) => Self {
                debug: arguments.debug || params.log_level.value() <= LogLevel::LOG_LEVEL_DEBUG.value(),
                id: params.instance_id,
                namespace: params.namespace,
                containerd: params.containerd_grpc_address,
                containerd_ttrpc: params.containerd_ttrpc_address,
                form: Form::Protobuf,
            },
            None => Self {
                id: arguments.id.clone(),
                namespace: arguments.namespace.clone(),
                containerd: Some(arguments.address.clone()).filter(|a| !a.is_empty()).unwrap_or(grpc_address),
                containerd_ttrpc: ttrpc_address,
                debug: arguments.debug,
                form: Form::Address,
            },
        };
        for (what, value) in [
            ("task id", &request.id),
            ("namespace", &request.namespace),
            ("containerd's address", &request.containerd),
            ("containerd's ttrpc address", &request.containerd_ttrpc),
        ] {
            if value.is_empty() {
                return Err(format!("{what} is missing"));
            }
        }
        Ok(request)
    }

    /// The answer with this address.
    #[must_use]
    pub fn answer(&self, address: &str) -> Vec<u8> {
        match self.form {
            Form::Address => address.into(),
            Form::Protobuf => {
                let result = BootstrapResult {
                    version: containerd_shim_protos::TASK_API_VERSION,
                    address: address.into(),
                    protocol: "ttrpc".into(),
                    ..BootstrapResult::default()
                };
                // A message without required fields always encodes.
                result.write_to_bytes().unwrap_or_default()
            }
        }
    }
}

/// The parameters on standard input. Older releases put runtime options there, in an `Any`: its two fields
/// read as id and namespace of parameters that have nothing else.
fn params(arguments: &Arguments, input: &[u8]) -> Result<Option<BootstrapParams>, String> {
    let Ok(params) = BootstrapParams::parse_from_bytes(input) else { return Ok(None) };
    if input.is_empty() || params.containerd_ttrpc_address.is_empty() {
        return Ok(None);
    }
    if params.instance_id != arguments.id || params.namespace != arguments.namespace {
        return Err(format!("they are for {}, the flags for {}", params.instance_id, arguments.id));
    }
    Ok(Some(params))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use containerd_shim_protos::protobuf::EnumOrUnknown;
    use containerd_shim_protos::protobuf::well_known_types::any::Any;

    fn arguments() -> Arguments {
        Arguments {
            id: "c1".into(),
            namespace: "k8s.io".into(),
            address: "/c.sock".into(),
            ..Arguments::default()
        }
    }

    fn read(arguments: &Arguments, input: &[u8]) -> Result<Request, String> {
        Request::from_parts(arguments, input, "/t.sock".into(), "/g.sock".into())
    }

    fn parameters() -> BootstrapParams {
        BootstrapParams {
            instance_id: "c1".into(),
            namespace: "k8s.io".into(),
            containerd_grpc_address: "/c.sock".into(),
            containerd_ttrpc_address: "/p.sock".into(),
            log_level: EnumOrUnknown::new(LogLevel::LOG_LEVEL_DEBUG),
            ..BootstrapParams::default()
        }
    }

    #[test]
    fn protobuf_is_answered_with_protobuf_and_version_3() {
        let request = read(&arguments(), &parameters().write_to_bytes().unwrap()).unwrap();
        assert_eq!((request.containerd_ttrpc.as_str(), request.debug), ("/p.sock", true));
        let answer = BootstrapResult::parse_from_bytes(&request.answer("unix:///a")).unwrap();
        assert_eq!(
            (answer.version, answer.address.as_str(), answer.protocol.as_str()),
            (3, "unix:///a", "ttrpc")
        );
    }

    #[test]
    fn flags_are_answered_with_the_bare_address() {
        let request = read(&arguments(), &[]).unwrap();
        assert_eq!((request.containerd.as_str(), request.containerd_ttrpc.as_str()), ("/c.sock", "/t.sock"));
        assert_eq!(request.answer("unix:///a"), b"unix:///a");
        let bare = Arguments { address: String::new(), ..arguments() };
        assert_eq!(read(&bare, &[]).unwrap().containerd, "/g.sock");
    }

    #[test]
    fn runtime_options_of_older_releases_are_no_parameters() {
        let options = Any { type_url: "containerd.runc.v1.Options".into(), value: vec![1], ..Any::default() };
        let request = read(&arguments(), &options.write_to_bytes().unwrap()).unwrap();
        assert_eq!(request.form, Form::Address);
        assert_eq!(read(&arguments(), b"\xff\xff").unwrap().form, Form::Address);
    }

    #[test]
    fn parameters_for_another_task_are_refused() {
        let other = Arguments { id: "c2".into(), ..arguments() };
        let error = read(&other, &parameters().write_to_bytes().unwrap()).unwrap_err();
        assert!(error.contains("for c1, the flags for c2"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Request::from_parts(&arguments(), &[], String::new(), String::new()).unwrap_err();
        assert!(error.contains("ttrpc address"), "{error}");
        assert!(read(&Arguments::default(), &[]).unwrap_err().contains("task id"));
    }
}
