//! Tasks where systemd owns the cgroups: run by `hack/vm-tests -s`, in a VM whose first process is systemd.

use crate::harness::{Containerd, told};
use crate::spec::{Spec, document};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// systemd removes the scope, and what counts in it, while the shim waits; it may be as fast without a wait.
#[test]
fn a_guest_past_its_scope_is_told_as_out_of_memory_before_and_after_it_is_gone() {
    let table = tempfile::NamedTempFile::new().unwrap();
    let containerd = Containerd::start_with(&[("MORPH_FAILPOINTS", table.path().as_os_str())]);
    let place = |id: &str| format!("morphtest.slice:t{}:{id}", std::process::id());
    let image = containerd.guest("command");
    let mut grant = document(&image, "command", &["memory", "200"]);
    grant.components[0].limits.memory_bytes = Some(1 << 30);
    containerd.start_task("s1", &Spec::sandbox("s1", "demo").granted(&grant).placed(&place("s1")));
    let sandbox = containerd.task("s1").0;
    for (id, line) in [("c1", ""), ("c2", "watch.status delay\n")] {
        std::fs::write(table.path(), line).unwrap();
        let mut watcher = containerd.ctr(&["events"]).stdout(Stdio::piped()).spawn().unwrap();
        let spec = Spec::container(id, "s1", "demo", "morph", &image).joined(sandbox).granted(&grant);
        let spec = spec.memory(64 << 20).placed(&place(id));
        let output = containerd.run(id, &spec, &["--rm"]).output().unwrap();
        assert_eq!(output.status.code(), Some(137), "{id}: {}", told(&output));
        let lines = BufReader::new(watcher.stdout.take().unwrap()).lines().map_while(Result::ok);
        let end = lines.into_iter().find(|line| line.contains("/tasks/oom") || line.contains("/tasks/exit"));
        watcher.kill().unwrap();
        watcher.wait().unwrap();
        assert!(end.unwrap().contains("/tasks/oom"), "{id}: the exit came first");
    }
}
