//! What the ceiling takes for the host's defaults is what the host does.

use morph_crds::bounds;

#[test]
fn a_morph_that_says_nothing_is_held_to_the_hosts_own_defaults() {
    assert_eq!(bounds::MEMORY_BYTES_DEFAULT, morph_host::MEMORY_BYTES_DEFAULT);
    assert_eq!(bounds::CPU_PER_CALL_MILLIS_DEFAULT, morph_host::CPU_PER_CALL_MILLIS_DEFAULT);
    assert_eq!(bounds::OUTPUT_BYTES_PER_SECOND_DEFAULT, morph_host::OUTPUT_BYTES_PER_SECOND_DEFAULT);
    let places = usize::try_from(bounds::SERVED_CONCURRENCY_MAX);
    assert_eq!(
        places,
        Ok(morph_host::CONCURRENT_REQUESTS_MAX),
        "a pod can't be asked for more than it serves"
    );
    let concurrency = usize::try_from(bounds::CONCURRENCY_DEFAULT);
    assert_eq!(concurrency, Ok(morph_host::CONCURRENT_REQUESTS_MAX));
}
