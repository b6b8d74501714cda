//! Tests of `stall`: the time of these tests is not the clock's.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};

const HOUR: Duration = Duration::from_secs(3600);

fn crowded(is_crowded: bool) -> Crowded {
    Arc::new(move || is_crowded)
}

/// After how many seconds a request has stalled; an hour is never.
async fn stalled_after(transfer: &Transfer, crowded: &Crowded) -> Option<u64> {
    let begun = Instant::now();
    let stalled = tokio::time::timeout(HOUR, transfer.stalled(crowded)).await;
    stalled.ok().map(|()| begun.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_waited_for_has_its_time_and_less_of_it_when_others_wait() {
    for (is_crowded, seconds) in [(false, STALL_SECONDS_MAX), (true, STALL_CROWDED_SECONDS_MAX)] {
        for (what, given, asked) in
            [("reads nothing", true, false), ("sends nothing", false, true), ("does neither", true, true)]
        {
            let transfer = Arc::new(Transfer::new());
            let answering = transfer.clone().answering();
            if given {
                answering.given();
            }
            transfer.asked(asked);
            let after = stalled_after(&transfer, &crowded(is_crowded)).await;
            assert_eq!(after, Some(seconds), "{what}, crowded: {is_crowded}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_may_take_its_time() {
    let transfer = Arc::new(Transfer::new());
    // A body that is waited for before there is an answer has another end.
    transfer.asked(true);
    assert_eq!(stalled_after(&transfer, &crowded(true)).await, None);
    transfer.asked(false);
    let answering = transfer.clone().answering();
    assert_eq!(stalled_after(&transfer, &crowded(true)).await, None);
    answering.given();
    answering.room();
    transfer.clone().begun.notify_one();
    assert_eq!(stalled_after(&transfer, &crowded(true)).await, None);
}

#[tokio::test(start_paused = true)]
async fn whatever_moves_begins_the_time_anew() {
    let transfer = Arc::new(Transfer::new());
    let answering = transfer.clone().answering();
    let nearly = Duration::from_secs(STALL_SECONDS_MAX - 2 * LOOK_SECONDS);
    let is_crowded = crowded(false);
    let mut stalled = std::pin::pin!(transfer.stalled(&is_crowded));
    for step in 0..4 {
        match step {
            0 => answering.given(),
            1 => answering.room(),
            2 => transfer.asked(true),
            _ => answering.given(),
        }
        assert!(tokio::time::timeout(nearly, stalled.as_mut()).await.is_err(), "step {step}");
    }
    let begun = Instant::now();
    stalled.await;
    assert!(begun.elapsed() <= Duration::from_secs(3 * LOOK_SECONDS), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_over_waits_for_nobody_and_the_next_one_is_measured_anew() {
    let transfer = Arc::new(Transfer::new());
    let first = transfer.clone().answering();
    first.given();
    transfer.asked(true);
    drop(first);
    assert_eq!(stalled_after(&transfer, &crowded(true)).await, None);
    let second = transfer.clone().answering();
    assert_eq!(stalled_after(&transfer, &crowded(true)).await, None);
    drop(second);
    let third = transfer.clone().answering();
    third.given();
    assert_eq!(stalled_after(&transfer, &crowded(false)).await, Some(STALL_SECONDS_MAX));
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_long_has_no_more_time_once_it_is_crowded() {
    let transfer = Arc::new(Transfer::new());
    let answering = transfer.clone().answering();
    answering.given();
    let flag = Arc::new(AtomicBool::new(false));
    let is_crowded: Crowded = {
        let flag = flag.clone();
        Arc::new(move || flag.load(Ordering::Relaxed))
    };
    let mut stalled = std::pin::pin!(transfer.stalled(&is_crowded));
    assert!(tokio::time::timeout(Duration::from_secs(100), stalled.as_mut()).await.is_err());
    flag.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    stalled.await;
    assert!(begun.elapsed() <= Duration::from_secs(LOOK_SECONDS), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_transfer_is_that_of_the_future_it_is_asked_in() {
    let is_crowded = crowded(true);
    let ended = limited(&is_crowded, async {
        let answering = Transfer::current().answering();
        answering.given();
        std::future::pending::<()>().await;
    });
    assert_eq!(ended.await, None);
    assert_eq!(limited(&crowded(true), async { 1 }).await, Some(1));
}
