//! Tests of `cpu`.
#![allow(clippy::unwrap_used)]
use super::*;
use std::future::poll_fn;

/// Computes for this long by its thread's clock.
fn compute(time: Duration) {
    let now = || thread_time().unwrap();
    let begun = now();
    while now() - begun < time {
        std::hint::spin_loop();
    }
}

/// A call of so many turns that does this in each, and for how many turns it was let go on.
async fn turns(meter: &Meter, count: u32, turn: impl Fn()) -> (u32, wasmtime::Result<()>) {
    let mut left = count;
    let call = poll_fn(|cx| {
        turn();
        left -= 1;
        if left == 0 {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let result = meter.measured(call).await;
    (count - left, result)
}

fn meter(millis: u64) -> Meter {
    Meter::new(Some(Duration::from_millis(millis)))
}

#[tokio::test]
async fn a_call_that_has_had_its_time_ends_and_names_the_limit() {
    let meter = meter(50);
    let (had, result) = turns(&meter, 1000, || compute(Duration::from_millis(5))).await;
    let error = result.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Hit::Cpu { max_millis: 50 }));
    assert!((8..=13).contains(&had), "{had} turns of 5 ms");
    assert!(meter.check().is_err());
}

#[tokio::test]
async fn what_a_call_waits_is_not_counted() {
    let meter = meter(20);
    let waits = meter.measured(async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    });
    waits.await.unwrap();
    // Nor what its thread sleeps, once it is measured exactly.
    turns(&meter, 2, || compute(Duration::from_millis(1))).await.1.unwrap();
    turns(&meter, 2, || std::thread::sleep(Duration::from_millis(50))).await.1.unwrap();
    assert!(meter.check().is_ok());
}

#[tokio::test]
async fn one_turn_of_a_thread_that_waits_for_a_processor_counts_a_tick_at_most() {
    let meter = meter(TICK_MILLIS + 5);
    turns(&meter, 2, || std::thread::sleep(Duration::from_millis(3 * TICK_MILLIS))).await.1.unwrap();
    assert!(meter.check().is_ok());
}

#[tokio::test]
async fn many_short_turns_count_together() {
    let meter = meter(20);
    let (had, result) = turns(&meter, 10_000, || compute(Duration::from_micros(100))).await;
    assert!(result.is_err());
    assert!((90..=201).contains(&had), "{had} turns of 100 µs");
}

#[tokio::test]
async fn a_turn_that_does_not_end_is_over_before_it_ends() {
    let meter = meter(20);
    let call = async {
        compute(Duration::from_millis(15));
        tokio::task::yield_now().await;
        assert!(meter.check().is_ok());
        compute(Duration::from_millis(15));
        assert_eq!(meter.check(), Err(Hit::Cpu { max_millis: 20 }));
        Ok(())
    };
    meter.measured(call).await.unwrap();
}

#[tokio::test]
async fn without_a_limit_nothing_is_measured() {
    let meter = Meter::new(None);
    turns(&meter, 10, || compute(Duration::from_millis(5))).await.1.unwrap();
    assert!(meter.0.is_none() && meter.check().is_ok());
}
