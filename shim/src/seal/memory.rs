//! Memory of this process's own: stacks and the allocator's. What a process keeps while it is idle, each pod
//! keeps.

use std::alloc::{Layout, alloc, dealloc};
use std::hint::black_box;

/// Stack that a thread may have used and is given back, in bytes below where it stands: far less than any
/// thread has.
const STACK_BYTES: usize = 256 << 10;

/// Gives back what this thread's stack has below the caller: what was there was of calls that have returned.
/// Never a part of its caller, in whose frame there may be much below any one variable.
#[inline(never)]
pub(crate) fn give_back_stack() {
    let here = 0_u8;
    let page = rustix::param::page_size();
    // A page stays for the calls that are made from here.
    let end = (&raw const here as usize & !(page - 1)) - page;
    // SAFETY: this frame is its own, with next to nothing in it: a page below it there is nothing that lives.
    // A main thread's stack has nothing else near it, and a page that isn't mapped is passed over.
    let result = unsafe { libc::madvise((end - STACK_BYTES) as *mut _, STACK_BYTES, libc::MADV_DONTNEED) };
    debug_assert!(result == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOMEM));
}

/// Gives back what the allocator holds in whole pages and nothing uses.
pub(crate) fn give_back_heap() {
    // SAFETY: it takes the allocator's locks, as `free` does.
    unsafe { libc::malloc_trim(0) };
}

/// Sizes by which large holes are filled, in bytes.
const LARGE_HOLE_BYTES: [usize; 5] = [65_536, 16_384, 4_096, 2_048, 1_024];

/// Small ones: the allocator keeps freed pieces of each size up to this one for themselves.
const SMALL_HOLE_BYTES_MAX: usize = 1_032;

/// The smallest, and by how much sizes differ, in bytes (`malloc(3)` of the GNU C library).
const SMALL_HOLE_BYTES_MIN: usize = 24;
const SMALL_HOLE_BYTES_STEP: usize = 16;

/// Takes all that the allocator of this thread has free between what is used, for ever: what a process forked
/// from this one allocates then lies together, in pages of its own, instead of making a copy of nearly every
/// page of this one's. What is taken is this process's memory already, and its children's for nothing.
/// For a process with one thread: others have heaps of their own.
pub(crate) fn fill_heap() {
    give_back_heap();
    // SAFETY: both only read what the allocator says of itself, and where its memory ends.
    let end = unsafe { libc::sbrk(0) as usize - libc::mallinfo2().keepcost };
    let small = (SMALL_HOLE_BYTES_MIN..SMALL_HOLE_BYTES_MAX + 1).step_by(SMALL_HOLE_BYTES_STEP).rev();
    for bytes in LARGE_HOLE_BYTES.into_iter().chain(small) {
        let Ok(layout) = Layout::from_size_align(bytes, 8) else { continue };
        loop {
            // SAFETY: the size isn't zero.
            let hole = black_box(unsafe { alloc(layout) });
            if hole.is_null() {
                break;
            }
            if hole as usize >= end {
                // SAFETY: it was allocated just now, with this layout.
                unsafe { dealloc(hole, layout) };
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// What a thread's stack has in memory, in KiB.
    fn stack_kibibytes() -> u64 {
        let here = 0_u8;
        let here = &raw const here as usize;
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut is_mine = false;
        for line in smaps.lines() {
            let first = line.split_whitespace().next().unwrap();
            if let Some((begin, end)) = first.split_once('-') {
                let at = |text| usize::from_str_radix(text, 16).unwrap();
                is_mine = (at(begin)..at(end)).contains(&here);
            } else if is_mine && first == "Rss:" {
                return line.split_whitespace().nth(1).unwrap().parse().unwrap();
            }
        }
        panic!("no mapping has {here:#x}");
    }

    #[inline(never)]
    fn deep() -> u8 {
        let used = black_box([1_u8; 160 << 10]);
        used[used.len() - 1]
    }

    #[test]
    fn a_stack_that_calls_have_used_is_given_back_and_can_be_used_again() {
        let thread = std::thread::spawn(|| {
            // Before, so that reading the figures takes no more of it the second time.
            let (_, kept) = (stack_kibibytes(), [deep(); 3]);
            let used = stack_kibibytes();
            give_back_stack();
            let left = stack_kibibytes();
            (used, left, kept, deep())
        });
        let (used, left, kept, again) = thread.join().unwrap();
        assert!(used >= 160 && left + 100 < used, "{used} KiB before and {left} KiB after");
        assert_eq!((kept, again), ([1; 3], 1));
    }
}
