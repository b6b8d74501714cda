//! Pages of this program's own file that a process has touched when it began and may never touch again. Given
//! back, they are out of its memory until it does: the kernel brings them from its cache or the file.

use super::{Result, Step, drop_pages};
use std::io;

/// What this process has mapped of its program and cannot have written to.
#[derive(Debug)]
pub(crate) struct OwnPages(Vec<(usize, usize)>);

impl OwnPages {
    /// Looks at what is mapped; needs `/proc`.
    pub(crate) fn look() -> Result<Self> {
        let program = std::fs::read_link("/proc/self/exe").step("reading /proc/self/exe")?;
        let maps = std::fs::read_to_string("/proc/self/maps").step("reading /proc/self/maps")?;
        Ok(Self(unwritten(&maps, &program.to_string_lossy())))
    }

    /// Gives them back.
    pub(crate) fn give_back(&self) -> Result<()> {
        let drop_all = || -> io::Result<()> { self.0.iter().try_for_each(|range| drop_pages(*range)) };
        drop_all().step("giving back the program's pages")
    }
}

/// Beginning and end of the program's code, and of what precedes it in the file. What follows it can be
/// read-only too and have been written to: pointers are put in there at the start.
fn unwritten(maps: &str, program: &str) -> Vec<(usize, usize)> {
    let range = |line: &str| {
        let mut fields = line.splitn(6, ' ');
        let (range, mode, offset) = (fields.next()?, fields.next()?, fields.next()?);
        let path = fields.nth(2)?.trim_start();
        let is_begin = offset.bytes().all(|digit| digit == b'0');
        if path != program || !(mode == "r-xp" || mode == "r--p" && is_begin) {
            return None;
        }
        let (begin, end) = range.split_once('-')?;
        Some((usize::from_str_radix(begin, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
    };
    maps.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MAPS: &str = "\
555500000000-555500cd6000 r--p 00000000 fe:00 77                 /opt/my shim
555500cd6000-555503480000 r-xp 00cd5000 fe:00 77                 /opt/my shim
555503480000-555503640000 r--p 0347a000 fe:00 77                 /opt/my shim
555503640000-555503650000 rw-p 0363c000 fe:00 77                 /opt/my shim
555504000000-555504100000 rw-p 00000000 00:00 0                  [heap]
7f0000000000-7f0000100000 r-xp 00000000 fe:00 78                 /lib/libc.so.6
7f0000100000-7f0000200000 r--p 00000000 00:00 0
";

    #[test]
    fn code_and_what_precedes_it_is_given_back_and_nothing_that_was_written() {
        let expected = [(0x5555_0000_0000, 0x5555_00cd_6000), (0x5555_00cd_6000, 0x5555_0348_0000)];
        assert_eq!(unwritten(MAPS, "/opt/my shim"), expected);
        assert_eq!(unwritten(MAPS, "/opt/other"), []);
        assert_eq!(unwritten("nonsense\n", "/opt/my shim"), []);
    }

    #[test]
    fn a_process_goes_on_without_the_pages_that_it_gave_back() {
        let pages = OwnPages::look().unwrap();
        assert!(!pages.0.is_empty());
        pages.give_back().unwrap();
        assert_eq!(unwritten(MAPS, "/opt/my shim").len(), 2, "code that is brought again");
    }
}
