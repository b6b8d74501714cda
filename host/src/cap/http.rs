//! `wasi:http`: the types that a server needs, and for those with a grant the sending of requests, which
//! `egress` decides on and does.

use super::{Linked, Place, Track, V0_2, V0_3, known, serve};
use crate::egress::client::Egress;
use crate::store::State;
use std::sync::Arc;
use wasmtime_wasi_http::p2::bindings::http as p2;
use wasmtime_wasi_http::p3::bindings::http as p3;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttp, WasiHttpHooks};

pub(crate) fn link(l: &mut Place<'_>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("http/types", V0_2) => serve!(l, p2::types, WasiHttp, http, Default::default()),
        ("http/types", V0_3) => serve!(l, p3::types, WasiHttp, http),
        ("http/outgoing-handler", V0_2) => serve!(l, p2::outgoing_handler, WasiHttp, http),
        ("http/client", V0_3) => serve!(l, p3::client, WasiHttp, http),
        _ => return known(None),
    }))
}

/// A store's way out: the pod's, or none without a grant. Then nothing that sends is linked either.
#[derive(Clone)]
pub(crate) struct Outgoing(pub(crate) Option<Arc<Egress>>);

type Sent = Result<(http::Response<WasiBody>, Io), Error>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let Some(egress) = self.0.clone() else {
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        Box::new(async move {
            let response = egress.send(request, options).await?;
            // Connections are the egress's own: nothing is left to be done for this one.
            Ok((response, Box::new(async { Ok(()) }) as Io))
        })
    }
}
