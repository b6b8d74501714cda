//! Tests of `cap`.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::{EngineKind, engine};
use morph_grant::interfaces::{Need, TABLE};

/// Links a row as a component by itself has it.
fn linked(linker: &mut Linker<State>, row: &Entry) -> wasmtime::Result<()> {
    link(&mut Place { linker, name: &row.linked_as(), part: 0 }, row)
}

#[test]
fn every_row_that_names_a_file_is_linked_by_it_and_no_other_is() {
    let engine = engine(EngineKind::P3).unwrap();
    for row in TABLE {
        let linked = linked(&mut Linker::new(&engine.inner), row);
        assert_eq!(linked.is_ok(), row.need != Need::Ungrantable, "{row:?}: {linked:?}");
    }
}

#[test]
fn the_whole_table_fits_into_one_linker() {
    let engine = engine(EngineKind::P3).unwrap();
    let mut linker = Linker::new(&engine.inner);
    for row in TABLE.iter().filter(|row| row.need != Need::Ungrantable) {
        linked(&mut linker, row).unwrap();
    }
}

#[test]
fn the_engine_of_0_2_links_everything_of_0_2() {
    let engine = engine(EngineKind::P2).unwrap();
    let mut linker = Linker::new(&engine.inner);
    for row in TABLE.iter().filter(|row| row.need != Need::Ungrantable && row.track == Track::V0_2) {
        linked(&mut linker, row).unwrap();
    }
}
