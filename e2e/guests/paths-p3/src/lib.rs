//! A command of WASI 0.3 that does single operations of wasi:filesystem, as its arguments tell: one line of
//! output for each, `ok …` or the error's name. `then` stands between operations. A place is written
//! `PREOPEN|DIRECTORY|…|PATH`: each directory is opened below the one before it.

use wasip3::cli::environment::get_arguments;
use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags};

type Done = Result<String, String>;

const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;
const READ_BYTES: usize = 4096;

struct Paths;

wasip3::cli::command::export!(Paths);

impl wasip3::exports::cli::run::Guest for Paths {
    async fn run() -> Result<(), ()> {
        let args = get_arguments();
        for operation in args[1..].split(|arg| arg == "then") {
            match act(operation).await {
                Ok(text) => print(format!("ok {text}\n")).await,
                Err(error) => print(format!("{error}\n")).await,
            }
        }
        Ok(())
    }
}

/// Writes to stdout and waits until the host has taken it.
async fn print(text: String) {
    let (mut sender, receiver) = wasip3::wit_stream::new();
    let written = wasip3::cli::stdout::write_via_stream(receiver);
    let left = sender.write_all(text.into_bytes()).await;
    assert!(left.is_empty(), "stdout takes what is written");
    drop(sender);
    written.await.expect("stdout takes what is written");
}

async fn act(operation: &[String]) -> Done {
    let word = |at: usize| operation.get(at).map(String::as_str).unwrap_or_default();
    let (dir, path) = place(word(1 + usize::from(word(0) == "symlink"))).await?;
    let none = NewTimestamp::Now;
    match word(0) {
        "read" => read(&open(&dir, FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ).await?).await,
        "read-link-itself" => {
            read(&open(&dir, PathFlags::empty(), path, OpenFlags::empty(), DescriptorFlags::READ).await?)
                .await
        }
        "write" => {
            let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
            let file = open(&dir, FOLLOW, path, flags, DescriptorFlags::WRITE).await?;
            write(&file, word(2)).await
        }
        // Writes through a descriptor that was opened for reading.
        "scribble" => {
            let file = open(&dir, FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ).await?;
            write(&file, "scribble").await
        }
        "scribble-stream" => {
            let file = open(&dir, FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ).await?;
            let (mut sender, receiver) = wasip3::wit_stream::new();
            let written = file.append_via_stream(receiver);
            sender.write_all(b"scribble".to_vec()).await;
            drop(sender);
            done(written.await)
        }
        "open" => {
            let (path_flags, open_flags, flags) = flags(word(2))?;
            open(&dir, path_flags, path, open_flags, flags).await.map(|_| String::new())
        }
        "size" => {
            let file = open(&dir, FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ).await?;
            done(file.set_size(1).await)
        }
        "times" => done(dir.set_times_at(FOLLOW, path.to_owned(), none, none).await),
        "link-times" => done(dir.set_times_at(PathFlags::empty(), path.to_owned(), none, none).await),
        "own-times" => {
            let file = open(&dir, FOLLOW, path, OpenFlags::empty(), DescriptorFlags::READ).await?;
            done(file.set_times(none, none).await)
        }
        _ => act_by_path(&dir, path, operation).await,
    }
}

/// What opens no file.
async fn act_by_path(dir: &Descriptor, path: &str, operation: &[String]) -> Done {
    let word = |at: usize| operation.get(at).map(String::as_str).unwrap_or_default();
    match word(0) {
        "stat" => dir.stat_at(FOLLOW, path.to_owned()).await.map(|stat| kind(stat.type_)).map_err(name),
        "link-stat" => {
            dir.stat_at(PathFlags::empty(), path.to_owned()).await.map(|stat| kind(stat.type_)).map_err(name)
        }
        "hash" => done(dir.metadata_hash_at(FOLLOW, path.to_owned()).await),
        "mkdir" => done(dir.create_directory_at(path.to_owned()).await),
        "rmdir" => done(dir.remove_directory_at(path.to_owned()).await),
        "unlink" => done(dir.unlink_file_at(path.to_owned()).await),
        "readlink" => dir.readlink_at(path.to_owned()).await.map_err(name),
        "symlink" => done(dir.symlink_at(word(1).to_owned(), path.to_owned()).await),
        "link" | "link-follow" => {
            let (new_dir, new_path) = place(word(2)).await?;
            let flags = if word(0) == "link" { PathFlags::empty() } else { FOLLOW };
            done(dir.link_at(flags, path.to_owned(), &new_dir, new_path.to_owned()).await)
        }
        "rename" => {
            let (new_dir, new_path) = place(word(2)).await?;
            done(dir.rename_at(path.to_owned(), &new_dir, new_path.to_owned()).await)
        }
        "list" => list(&open(dir, FOLLOW, path, OpenFlags::DIRECTORY, DescriptorFlags::READ).await?).await,
        "preopens" => {
            let names: Vec<String> = get_directories().into_iter().map(|(_, name)| name).collect();
            Ok(names.join(" "))
        }
        other => Err(format!("no such thing to do: {other}")),
    }
}

/// The directory of a place and the path below it.
async fn place(text: &str) -> Result<(Descriptor, &str), String> {
    let mut parts = text.split('|');
    let preopen = parts.next().unwrap_or_default();
    let found = get_directories().into_iter().find(|(_, name)| name == preopen);
    let (mut dir, _) = found.ok_or_else(|| format!("no preopen {preopen}"))?;
    let mut path = parts.next().unwrap_or(".");
    for next in parts {
        dir = open(&dir, FOLLOW, path, OpenFlags::DIRECTORY, DescriptorFlags::READ).await?;
        path = next;
    }
    Ok((dir, path))
}

async fn open(
    dir: &Descriptor,
    path_flags: PathFlags,
    path: &str,
    open_flags: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Descriptor, String> {
    dir.open_at(path_flags, path.to_owned(), open_flags, flags).await.map_err(name)
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

async fn read(file: &Descriptor) -> Done {
    let (mut stream, done) = file.read_via_stream(0);
    let (_, bytes) = stream.read(Vec::with_capacity(READ_BYTES)).await;
    drop(stream);
    done.await.map_err(name)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn write(file: &Descriptor, text: &str) -> Done {
    let (mut sender, receiver) = wasip3::wit_stream::new();
    let written = file.write_via_stream(receiver, 0);
    sender.write_all(text.as_bytes().to_vec()).await;
    drop(sender);
    done(written.await)
}

async fn list(dir: &Descriptor) -> Done {
    let (stream, done) = dir.read_directory();
    let mut names: Vec<String> = stream.collect().await.into_iter().map(|entry| entry.name).collect();
    done.await.map_err(name)?;
    names.sort();
    Ok(names.join(" "))
}

fn done<T>(result: Result<T, ErrorCode>) -> Done {
    result.map(|_| String::new()).map_err(name)
}

/// The error as WIT spells it.
fn name(error: ErrorCode) -> String {
    let debug = kind(error);
    let word = debug.split('(').next().unwrap_or_default();
    let mut name = String::new();
    for character in word.chars() {
        if character.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(character.to_lowercase());
    }
    name
}

fn kind(kind: impl std::fmt::Debug) -> String {
    format!("{kind:?}").rsplit("::").next().unwrap_or_default().to_owned()
}
