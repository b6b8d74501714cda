//! A guest on the terminal of whoever runs `ctr`.

use crate::harness::Containerd;
use crate::spec::{Spec, document};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

#[test]
fn ctr_shows_what_a_guest_writes_on_its_terminal_and_hands_it_the_interrupt_key() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let grant = document(&image, "command", &["loop"]);
    containerd.start_task("s1", &Spec::sandbox("s1", "demo").granted(&grant));
    let sandbox = containerd.task("s1").0;
    let spec = Spec::container("c1", "s1", "demo", "morph", &image).joined(sandbox).granted(&grant);
    let run = containerd.run("c1", &spec, &["--rm", "--tty"]);
    let words = std::iter::once(run.get_program()).chain(run.get_args());
    let line: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    // It gives ctr a terminal of its own, and ends with its exit code.
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--flush", "--command", &line.join(" "), "/dev/null"]);
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keys = script.stdin.take().unwrap();
    let mut shown = BufReader::new(script.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(shown.any(|line| line.contains("looping")), "{}", containerd.logs());
    keys.write_all(b"\x03").unwrap();
    assert!(shown.any(|line| line.contains("told to stop before its end")), "{}", containerd.logs());
    assert_eq!(script.wait().unwrap().code(), Some(143), "{}", containerd.logs());
}
