//! Pipes, sockets and devices in a volume: opening a pipe waits for its other end and would hold one of the
//! host's threads for as long, and a device is no file. The two calls that open by path look first; who
//! replaces a file between the look and the call gains a wait, not a right.

use super::super::{Place, of};
use crate::store::State;
use wasmtime::component::{Accessor, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::types as p2;
use wasmtime_wasi::p3::bindings::filesystem::types as p3;

const OPEN_AT: &str = "[method]descriptor.open-at";
const SET_TIMES_AT: &str = "[method]descriptor.set-times-at";

type Fd = Resource<Descriptor>;

/// The files of a part.
type Getter = fn(&mut State) -> WasiFilesystemCtxView<'_>;

/// A handle of the same descriptor for the look.
fn same(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

pub(super) fn refuse_0_2(place: &mut Place<'_>) -> wasmtime::Result<()> {
    place.shadowing(refusing_0_2)
}

fn refusing_0_2(place: &mut Place<'_>) -> wasmtime::Result<()> {
    use p2::{ErrorCode, Host as _, HostDescriptor as _};
    type Times = (Fd, p2::PathFlags, String, p2::NewTimestamp, p2::NewTimestamp);

    async fn is_special(
        mut files: WasiFilesystemCtxView<'_>,
        fd: &Fd,
        flags: p2::PathFlags,
        path: &str,
    ) -> bool {
        use p2::DescriptorType::{Directory, RegularFile, SymbolicLink};
        let stat = files.stat_at(same(fd), flags, path.to_owned()).await;
        stat.is_ok_and(|stat| !matches!(stat.type_, Directory | RegularFile | SymbolicLink))
    }

    type Open = (Fd, p2::PathFlags, String, p2::OpenFlags, p2::DescriptorFlags);
    let files: Getter = of!(place.part, filesystem);
    let mut types = place.instance()?;
    types.func_wrap_async(OPEN_AT, move |mut store, (fd, at, path, open, flags): Open| {
        Box::new(async move {
            let state: &mut State = store.data_mut();
            if is_special(files(state), &fd, at, &path).await {
                return Ok((Err(ErrorCode::NotPermitted),));
            }
            let opened = files(state).open_at(fd, at, path, open, flags).await;
            Ok((match opened {
                Ok(opened) => Ok(opened),
                Err(error) => Err(files(state).convert_error_code(error)?),
            },))
        })
    })?;
    types.func_wrap_async(SET_TIMES_AT, move |mut store, (fd, at, path, accessed, modified): Times| {
        Box::new(async move {
            let state: &mut State = store.data_mut();
            if is_special(files(state), &fd, at, &path).await {
                return Ok((Err(ErrorCode::NotPermitted),));
            }
            let set = files(state).set_times_at(fd, at, path, accessed, modified).await;
            Ok((match set {
                Ok(()) => Ok(()),
                Err(error) => Err(files(state).convert_error_code(error)?),
            },))
        })
    })?;
    Ok(())
}

pub(super) fn refuse_0_3(place: &mut Place<'_>) -> wasmtime::Result<()> {
    place.shadowing(refusing_0_3)
}

fn refusing_0_3(place: &mut Place<'_>) -> wasmtime::Result<()> {
    use p3::{ErrorCode, HostDescriptorWithStore};
    type Open = (Fd, p3::PathFlags, String, p3::OpenFlags, p3::DescriptorFlags);
    type Times = (Fd, p3::PathFlags, String, p3::NewTimestamp, p3::NewTimestamp);
    type Files<'a> = &'a Accessor<State, WasiFilesystem>;

    async fn is_special(store: Files<'_>, fd: &Fd, flags: p3::PathFlags, path: &str) -> bool {
        use p3::DescriptorType::{Directory, RegularFile, SymbolicLink};
        let path = path.to_owned();
        let stat =
            <WasiFilesystem as HostDescriptorWithStore<State>>::stat_at(store, same(fd), flags, path).await;
        stat.is_ok_and(|stat| !matches!(stat.type_, Directory | RegularFile | SymbolicLink))
    }

    let files: Getter = of!(place.part, filesystem);
    let mut types = place.instance()?;
    types.func_wrap_concurrent(OPEN_AT, move |store, (fd, at, path, open, flags): Open| {
        let store = store.with_getter::<WasiFilesystem>(files);
        Box::pin(async move {
            if is_special(&store, &fd, at, &path).await {
                return Ok((Err(ErrorCode::NotPermitted),));
            }
            let opened = <WasiFilesystem as HostDescriptorWithStore<State>>::open_at(
                &store, fd, at, path, open, flags,
            );
            Ok((match opened.await {
                Ok(opened) => Ok(opened),
                Err(error) => Err(error.downcast()?),
            },))
        })
    })?;
    types.func_wrap_concurrent(SET_TIMES_AT, move |store, (fd, at, path, accessed, modified): Times| {
        let store = store.with_getter::<WasiFilesystem>(files);
        Box::pin(async move {
            if is_special(&store, &fd, at, &path).await {
                return Ok((Err(ErrorCode::NotPermitted),));
            }
            let set = <WasiFilesystem as HostDescriptorWithStore<State>>::set_times_at(
                &store, fd, at, path, accessed, modified,
            );
            Ok((match set.await {
                Ok(()) => Ok(()),
                Err(error) => Err(error.downcast()?),
            },))
        })
    })?;
    Ok(())
}
