//! A command of WASI 0.2 that does single operations of wasi:filesystem, as its arguments tell: one line of
//! output for each, `ok …` or the error's name. `then` stands between operations. A place is written
//! `PREOPEN|DIRECTORY|…|PATH`: each directory is opened below the one before it.

use wasip2::cli::environment::get_arguments;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags, filesystem_error_code,
};
use wasip2::io::streams::StreamError;

type Done = Result<String, String>;

const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;
const READ_BYTES: u64 = 4096;

fn main() {
    let args = get_arguments();
    for operation in args[1..].split(|arg| arg == "then") {
        match act(operation) {
            Ok(text) => println!("ok {text}"),
            Err(error) => println!("{error}"),
        }
    }
}

fn act(operation: &[String]) -> Done {
    let word = |at: usize| operation.get(at).map(String::as_str).unwrap_or_default();
    let (dir, path) = place(word(1 + usize::from(word(0) == "symlink")))?;
    let none = NewTimestamp::Now;
    match word(0) {
        "read" => read(&open(&dir, FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ)?),
        "read-link-itself" => {
            read(&open(&dir, PathFlags::empty(), path, OpenFlags::empty(), DescriptorFlags::READ)?)
        }
        "write" => {
            let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
            let file = open(&dir, FOLLOW, path, flags, DescriptorFlags::WRITE)?;
            file.write(word(2).as_bytes(), 0).map(|_| String::new()).map_err(name)
        }
        // Writes through a descriptor that was opened for reading.
        "scribble" => {
            let file = open(&dir, FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ)?;
            done(file.write(b"scribble", 0))
        }
        "scribble-stream" => {
            let file = open(&dir, FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ)?;
            let stream = file.write_via_stream(0).map_err(name)?;
            stream.blocking_write_and_flush(b"scribble").map(|()| String::new()).map_err(
                |error| match error {
                    StreamError::LastOperationFailed(error) => {
                        filesystem_error_code(&error).map_or("?".into(), name)
                    }
                    StreamError::Closed => "closed".into(),
                },
            )
        }
        "open" => {
            let (path_flags, open_flags, flags) = flags(word(2))?;
            open(&dir, path_flags, path, open_flags, flags).map(|_| String::new())
        }
        "size" => {
            let file = open(&dir, FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ)?;
            done(file.set_size(1))
        }
        "times" => done(dir.set_times_at(FOLLOW, path, none, none)),
        "link-times" => done(dir.set_times_at(PathFlags::empty(), path, none, none)),
        "own-times" => {
            let file = open(&dir, FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ)?;
            done(file.set_times(none, none))
        }
        _ => act_by_path(&dir, path, operation),
    }
}

/// What opens no file.
fn act_by_path(dir: &Descriptor, path: &str, operation: &[String]) -> Done {
    let word = |at: usize| operation.get(at).map(String::as_str).unwrap_or_default();
    match word(0) {
        "stat" => dir.stat_at(FOLLOW, path).map(|stat| kind(stat.type_)).map_err(name),
        "link-stat" => dir.stat_at(PathFlags::empty(), path).map(|stat| kind(stat.type_)).map_err(name),
        "hash" => done(dir.metadata_hash_at(FOLLOW, path)),
        "mkdir" => done(dir.create_directory_at(path)),
        "rmdir" => done(dir.remove_directory_at(path)),
        "unlink" => done(dir.unlink_file_at(path)),
        "readlink" => dir.readlink_at(path).map_err(name),
        "symlink" => done(dir.symlink_at(word(1), path)),
        "link" | "link-follow" => {
            let (new_dir, new_path) = place(word(2))?;
            let flags = if word(0) == "link" { PathFlags::empty() } else { FOLLOW };
            done(dir.link_at(flags, path, &new_dir, new_path))
        }
        "rename" => {
            let (new_dir, new_path) = place(word(2))?;
            done(dir.rename_at(path, &new_dir, new_path))
        }
        "list" => list(&open(dir, FOLLOW, path, OpenFlags::DIRECTORY, DescriptorFlags::READ)?),
        "preopens" => {
            let names: Vec<String> = get_directories().into_iter().map(|(_, name)| name).collect();
            Ok(names.join(" "))
        }
        other => Err(format!("no such thing to do: {other}")),
    }
}

/// The directory of a place and the path below it.
fn place(text: &str) -> Result<(Descriptor, &str), String> {
    let mut parts = text.split('|');
    let preopen = parts.next().unwrap_or_default();
    let found = get_directories().into_iter().find(|(_, name)| name == preopen);
    let (mut dir, _) = found.ok_or_else(|| format!("no preopen {preopen}"))?;
    let mut path = parts.next().unwrap_or(".");
    for next in parts {
        dir = open(&dir, FOLLOW, path, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
        path = next;
    }
    Ok((dir, path))
}

fn open(
    dir: &Descriptor,
    path_flags: PathFlags,
    path: &str,
    open_flags: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Descriptor, String> {
    dir.open_at(path_flags, path, open_flags, flags).map_err(name)
}

fn flags(words: &str) -> Result<(PathFlags, OpenFlags, DescriptorFlags), String> {
    let mut all = (PathFlags::empty(), OpenFlags::empty(), DescriptorFlags::empty());
    for word in words.split(',') {
        match word {
            "follow" => all.0 |= FOLLOW,
            "create" => all.1 |= OpenFlags::CREATE,
            "directory" => all.1 |= OpenFlags::DIRECTORY,
            "exclusive" => all.1 |= OpenFlags::EXCLUSIVE,
            "truncate" => all.1 |= OpenFlags::TRUNCATE,
            "read" => all.2 |= DescriptorFlags::READ,
            "write" => all.2 |= DescriptorFlags::WRITE,
            "mutate" => all.2 |= DescriptorFlags::MUTATE_DIRECTORY,
            other => return Err(format!("no flag {other}")),
        }
    }
    Ok(all)
}

fn read(file: &Descriptor) -> Done {
    let (bytes, _) = file.read(READ_BYTES, 0).map_err(name)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn list(dir: &Descriptor) -> Done {
    let entries = dir.read_directory().map_err(name)?;
    let mut names = Vec::new();
    while let Some(entry) = entries.read_directory_entry().map_err(name)? {
        names.push(entry.name);
    }
    names.sort();
    Ok(names.join(" "))
}

fn done<T>(result: Result<T, ErrorCode>) -> Done {
    result.map(|_| String::new()).map_err(name)
}

fn name(error: ErrorCode) -> String {
    error.name().to_owned()
}

fn kind(kind: impl std::fmt::Debug) -> String {
    format!("{kind:?}").rsplit("::").next().unwrap_or_default().to_owned()
}
