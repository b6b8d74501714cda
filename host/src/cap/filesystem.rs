//! `wasi:filesystem`: the granted directories at the granted paths, and nothing else. wasmtime-wasi keeps a
//! guest from leaving a directory, by `..`, links or absolute paths; pipes and devices in it are refused
//! here.

mod special;

use super::{Linked, Place, Track, V0_2, V0_3, known, serve};
use crate::Task;
use crate::store::State;
use morph_grant::Access;
use wasmtime::error::Context as _;
use wasmtime_wasi::filesystem::WasiFilesystem;
use wasmtime_wasi::p2::bindings::filesystem as p2;
use wasmtime_wasi::p3::bindings::filesystem as p3;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

pub(crate) fn link(l: &mut Place<'_>, interface: &str, track: Track) -> Linked {
    known(Some(match (interface, track) {
        ("filesystem/preopens", V0_2) => {
            serve!(l, p2::preopens, WasiFilesystem, filesystem)
        }
        ("filesystem/preopens", V0_3) => {
            serve!(l, p3::preopens, WasiFilesystem, filesystem)
        }
        ("filesystem/types", V0_2) => {
            serve!(l, p2::types, WasiFilesystem, filesystem).and_then(|()| special::refuse_0_2(l))
        }
        ("filesystem/types", V0_3) => {
            serve!(l, p3::types, WasiFilesystem, filesystem).and_then(|()| special::refuse_0_3(l))
        }
        _ => return known(None),
    }))
}

/// Preopens what the task names. A path that stands in no grant gives nothing, so that a task and its
/// grants can't disagree to the guest's advantage.
pub(crate) fn give(wasi: &mut WasiCtxBuilder, task: &Task) -> wasmtime::Result<()> {
    for preopen in &task.preopens {
        let granted = |grant: &&morph_grant::FilesystemGrant| grant.path == preopen.path;
        let Some(grant) = task.grants.filesystem.iter().find(granted) else { continue };
        let perms = match (grant.access, preopen.access) {
            (Access::ReadWrite, Access::ReadWrite) => FsPerms::ReadWrite,
            _ => FsPerms::ReadOnly,
        };
        wasi.preopened_dir(&preopen.directory, &preopen.path, perms)
            .with_context(|| format!("the directory for {} can't be opened", preopen.path))?;
    }
    Ok(())
}
