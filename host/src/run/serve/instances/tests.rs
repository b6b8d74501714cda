//! Tests of what is kept, and for how long.

#![allow(clippy::unwrap_used)]

use super::*;

const KEPT: Duration = Duration::from_secs(KEPT_SECONDS_MAX);
const SHORT: Duration = Duration::from_secs(1);

fn alive(kept: &Kept<Arc<u32>>) -> Vec<u32> {
    kept.waiting().instances.iter().map(|(_, number)| **number).collect()
}

#[tokio::test(start_paused = true)]
async fn the_last_one_kept_is_the_first_one_taken() {
    let kept = Arc::new(Kept::default());
    for number in 1..=3 {
        kept.keep(Arc::new(number));
    }
    let taken: Vec<_> = std::iter::from_fn(|| kept.take()).map(|number| *number).collect();
    assert_eq!(taken, [3, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_too_long_is_let_go_and_the_others_are_not() {
    let kept = Arc::new(Kept::default());
    for round in 0..2 {
        kept.keep(Arc::new(1));
        tokio::time::sleep(SHORT).await;
        kept.keep(Arc::new(2));
        tokio::time::sleep(KEPT - SHORT / 2).await;
        assert_eq!(alive(&kept), [2], "{round}");
        tokio::time::sleep(SHORT).await;
        assert_eq!(alive(&kept), [] as [u32; 0], "{round}");
        assert!(!kept.waiting().watched, "whoever looked has gone, and comes again in the next round");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_used_now_and_then_stays() {
    let kept = Arc::new(Kept::default());
    kept.keep(Arc::new(1));
    for _ in 0..100 {
        tokio::time::sleep(SHORT).await;
        kept.keep(kept.take().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_away_while_nobody_waits_is_looked_after_again() {
    let kept = Arc::new(Kept::default());
    kept.keep(Arc::new(1));
    let taken = kept.take().unwrap();
    tokio::time::sleep(KEPT * 2).await;
    kept.keep(taken);
    tokio::time::sleep(KEPT + SHORT).await;
    assert_eq!(alive(&kept), [] as [u32; 0]);
}

#[tokio::test(start_paused = true)]
async fn when_all_ends_nothing_is_kept_any_more() {
    let kept = Arc::new(Kept::default());
    let (one, late) = (Arc::new(1), Arc::new(2));
    kept.keep(one.clone());
    kept.close();
    kept.keep(late.clone());
    assert_eq!((Arc::strong_count(&one), Arc::strong_count(&late)), (1, 1));
}
