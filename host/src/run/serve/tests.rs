//! Tests of `serve`.

use super::*;
use std::net::Ipv4Addr;

fn ending(lame_duck_seconds: u32, grace_period_seconds: u32) -> (u128, u128) {
    let http = Http {
        address: Ipv4Addr::LOCALHOST.into(),
        port: 0,
        lame_duck_seconds,
        grace_period_seconds,
        requests: crate::Requests::default(),
    };
    let ending = Ending::of(&http);
    (ending.lame_duck.as_millis(), ending.interrupt.as_millis())
}

#[test]
fn guests_are_interrupted_before_the_grace_period_is_over() {
    for (lame_duck, grace, want) in [
        (3, 30, (3_000, 29_000)),
        (0, 30, (0, 29_000)),
        (3, 5, (3_000, 4_500)),
        (3, 2, (1_800, 1_800)),
        (60, 30, (29_000, 29_000)),
        (3, 0, (0, 0)),
        (u32::MAX, u32::MAX, (4_294_967_294_000, 4_294_967_294_000)),
    ] {
        assert_eq!(ending(lame_duck, grace), want, "lame duck {lame_duck} s, grace {grace} s");
    }
}
