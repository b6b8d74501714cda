//! `wasi:http`: the types that a server needs. No request leaves the guest: the interfaces that send are not
//! linked, and the hook behind them refuses as well.

use super::{Linked, Track, V0_2, V0_3, known};
use crate::store::State;
use wasmtime::component::Linker;
use wasmtime_wasi_http::p2::bindings::http as p2;
use wasmtime_wasi_http::p3::bindings::http as p3;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttp, WasiHttpHooks, WasiHttpView};

pub(crate) fn link(l: &mut Linker<State>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("http/types", V0_2) => p2::types::add_to_linker::<_, WasiHttp>(l, &Default::default(), State::http),
        ("http/types", V0_3) => p3::types::add_to_linker::<_, WasiHttp>(l, State::http),
        _ => return known(None),
    }))
}

/// Refuses every request that a guest would send.
pub(crate) struct NoEgress;

type Sent = Result<(http::Response<WasiBody>, Io), Error>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for NoEgress {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
