//! Attacks by paths: each case of `attacks/paths.yaml` by a guest of 0.2 and one of 0.3, over a volume with
//! the secrets of somebody else beside it. What is outside is neither read nor changed.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use morph_grant::{Access, FilesystemGrant};
use morph_host::{Preopen, Task};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use support::{command, guest, run};

const CASES: &str = include_str!("attacks/paths.yaml");
const GUESTS: [&str; 2] = ["paths", "paths-p3"];

/// Stands in every file outside: output that has it has read what it must not.
const SECRET: &str = "SECRET";

/// One attack (or a neighbour of one that must work).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Access to `/data`, and to `/other` where there is one.
    #[serde(default)]
    read_only: bool,
    other: Option<Other>,
    /// The guest's name for the volume.
    #[serde(default = "data")]
    path: String,
    /// A directory of the machine in place of the volume.
    volume: Option<PathBuf>,
    /// What is in the volume besides: `symlink TARGET PATH`, `hardlink TARGET PATH`, `fifo PATH`, `socket
    /// PATH`.
    #[serde(default)]
    setup: Vec<String>,
    /// What the guest does.
    run: Vec<Vec<String>>,
    /// A line of output for each, word for word; `a or b` where the two versions or two kernels differ.
    want: Vec<String>,
    /// Whether something in the volume may be another than before.
    #[serde(default)]
    changes: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
enum Other {
    ReadOnly,
    ReadWrite,
}

fn data() -> String {
    "/data".into()
}

/// `outside` with secrets, `volume` and `second` in one directory.
struct World(tempfile::TempDir);

impl World {
    fn new(case: &Case) -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        for directory in ["outside/dir", "outside/empty", "volume/dir/deep", "second"] {
            std::fs::create_dir_all(world.path(directory)).unwrap();
        }
        for file in ["outside/secret", "outside/dir/secret", "second/own"] {
            std::fs::write(world.path(file), format!("{SECRET} of {file}")).unwrap();
        }
        std::fs::write(world.path("second/own"), "second").unwrap();
        std::fs::write(world.path("volume/greeting"), "hello").unwrap();
        std::fs::write(world.path("volume/dir/inner"), "inner").unwrap();
        for line in &case.setup {
            world.set_up(&world.filled(line));
        }
        world
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// `${OUTSIDE}` and `${VOLUME}` are the real paths, `${LONG}` a name that no file system takes, `${DEEP}`
    /// many directories.
    fn filled(&self, text: &str) -> String {
        text.replace("${OUTSIDE}", self.path("outside").to_str().unwrap())
            .replace("${VOLUME}", self.path("volume").to_str().unwrap())
            .replace("${LONG}", &"n".repeat(256))
            .replace("${DEEP}", &"dir/../".repeat(1_000))
    }

    fn set_up(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let inside = |path: &str| self.path("volume").join(path);
        match words[..] {
            ["symlink", target, path] => symlink(target, inside(path)).unwrap(),
            ["hardlink", target, path] => std::fs::hard_link(target, inside(path)).unwrap(),
            ["fifo", path] => {
                let mode = rustix::fs::Mode::from_raw_mode(0o666);
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, inside(path), kind, mode, 0).unwrap();
            }
            ["socket", path] => drop(std::os::unix::net::UnixListener::bind(inside(path)).unwrap()),
            _ => panic!("no such line of setup: {line}"),
        }
    }

    fn task(&self, case: &Case) -> Task {
        let args: Vec<String> =
            case.run.join(&"then".to_owned()).iter().map(|arg| self.filled(arg)).collect();
        let mut task = command(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let access = |read_only| if read_only { Access::ReadOnly } else { Access::ReadWrite };
        let volume = case.volume.clone().unwrap_or_else(|| self.path("volume"));
        let mut give = |path: &str, directory, access| {
            let grant = FilesystemGrant { volume: path.into(), path: path.into(), sub_path: None, access };
            task.grants.filesystem.push(grant);
            task.preopens.push(Preopen { path: path.into(), directory, access });
        };
        give(&case.path, volume, access(case.read_only));
        if let Some(other) = case.other {
            give("/other", self.path("second"), access(other == Other::ReadOnly));
        }
        task
    }

    /// All that is below a directory: kind, inode, links, size, times of change and content.
    fn seen(&self, below: &str) -> BTreeMap<PathBuf, String> {
        let mut seen = BTreeMap::new();
        look(&self.path(below), &mut seen);
        seen
    }
}

fn look(path: &Path, seen: &mut BTreeMap<PathBuf, String>) {
    let meta = path.symlink_metadata().unwrap();
    let content = if meta.is_file() { std::fs::read(path).unwrap() } else { Vec::new() };
    let text = format!(
        "{:?} {} {} {} {}.{} {content:?}",
        meta.file_type(),
        meta.ino(),
        meta.nlink(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec(),
    );
    seen.insert(path.to_owned(), text);
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            look(&entry.unwrap().path(), seen);
        }
    }
}

fn check(case: &Case, name: &str) -> Result<(), String> {
    let world = World::new(case);
    let before = ["outside", "volume", "second"].map(|below| world.seen(below));
    let ended = run(guest(name), world.task(case));
    let lines: Vec<&str> = ended.stdout.lines().map(str::trim_end).collect();
    let fits = |(line, want): (&&str, &String)| want.split(" or ").any(|want| want == *line);
    if ended.code != 0 || lines.len() != case.want.len() || !lines.iter().zip(&case.want).all(fits) {
        return Err(format!("{name}: {}: want {:?}, got {lines:?}: {ended:?}", case.name, case.want));
    }
    if ended.stdout.contains(SECRET) || ended.stderr.contains(SECRET) {
        return Err(format!("{name}: {}: a secret was read: {ended:?}", case.name));
    }
    let after = ["outside", "volume", "second"].map(|below| world.seen(below));
    let kept = if case.changes { 1 } else { 3 };
    match before[..kept] == after[..kept] {
        true => Ok(()),
        false => Err(format!("{name}: {}: something was changed: {before:#?} {after:#?}", case.name)),
    }
}

fn cases() -> Vec<Case> {
    serde_norway::from_str(CASES).unwrap()
}

#[test]
fn no_path_leads_out_of_a_volume_or_past_its_access() {
    let cases = cases();
    let checks = cases.iter().flat_map(|case| GUESTS.map(|name| check(case, name)));
    let failed: Vec<String> = checks.filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn there_are_attacks_enough_and_each_has_a_name_of_its_own() {
    let cases = cases();
    let names: std::collections::BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
    let refused = |case: &&Case| case.want.iter().any(|want| !want.starts_with("ok"));
    assert!(cases.iter().filter(refused).count() >= 40, "{}", cases.iter().filter(refused).count());
}
