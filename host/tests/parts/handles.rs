//! Parts that hand handles to each other: what a handle stands for goes with it, and no right beside it.

use super::*;
use tempfile::TempDir;

/// A directory with this in its file `whose`, beside a secret.
fn directory_of(whose: &str) -> (TempDir, std::path::PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    std::fs::write(outer.path().join("secret"), "secret").unwrap();
    let inner = outer.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("whose"), whose).unwrap();
    (outer, inner)
}

#[test]
fn a_directory_that_is_handed_over_is_read_by_the_givers_access_and_nothing_more_is() {
    let (_outer, directory) = directory_of("the plug's");
    let of = |args: &[&str], access| composed(command(args), plug_with(&directory, access));
    assert_eq!(says(&of(&["given", "read", "whose"], Access::ReadOnly)), "the plug's");
    for args in [
        &["given", "write", "new", "x"][..], // the giver may only read
        &["given", "read", "../secret"],
        &["self", "read", "/data/whose"], // the receiver has no directory of its own
    ] {
        let ended = of(args, Access::ReadOnly);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{args:?}: {ended:?}");
    }
    assert!(!directory.join("new").exists());
    assert_eq!(of(&["given", "write", "new", "x"], Access::ReadWrite).code, 0);
    assert_eq!(std::fs::read_to_string(directory.join("new")).unwrap(), "x");
}

#[test]
fn a_part_that_may_write_elsewhere_only_reads_what_it_is_handed_for_reading() {
    let ((_outer, main), (_other, others)) = (directory_of("main's"), directory_of("the plug's"));
    let of = |args: &[&str]| {
        let task = with_directory(command(args), &main, "/data", Access::ReadOnly);
        composed(task, plug_with(&others, Access::ReadWrite))
    };
    assert_eq!(says(&of(&["handed", "read", "whose"])), "main's");
    let refused = of(&["handed", "write", "new", "x"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(!main.join("new").exists() && !others.join("new").exists());
    assert_eq!(says(&of(&["plug", "read", "/data/whose"])), "the plug's");
}

#[test]
fn what_a_part_waits_for_can_be_anothers() {
    assert_eq!(says(&composed(command(&["soon"]), plug())), "ready");
}

#[test]
fn a_part_that_traps_with_anothers_handle_ends_the_whole_and_is_named() {
    let (_outer, directory) = directory_of("main's");
    let of = |what| {
        let task = with_directory(command(&["handed", what]), &directory, "/data", Access::ReadOnly);
        composed(task, plug())
    };
    let trapped = of("trap");
    assert_eq!((trapped.code, trapped.stdout.as_str()), (code::TRAP, ""), "{trapped:?}");
    assert!(trapped.message.starts_with("the guest trapped in part plug: "), "{trapped:?}");
    let kept = of("keep");
    assert_eq!((kept.code, kept.stdout.as_str()), (code::TRAP, ""), "{kept:?}");
    assert!(kept.message.contains(" in a call of part main to another: "), "{kept:?}");
    assert!(kept.message.contains("borrow"), "{kept:?}");
}

#[test]
fn the_handles_of_all_parts_are_bounded_together_and_who_wants_too_many_is_named() {
    for who in ["self", "plug"] {
        assert_eq!(says(&composed(command(&[who, "hoard", "4000"]), plug())), "4000");
    }
    for (who, count, part) in [("self", "10001", MAIN), ("plug", "10001", "plug"), ("both", "4000", "plug")] {
        let ended = composed(command(&[who, "hoard", count]), plug());
        assert_eq!((ended.code, ended.stdout.as_str()), (code::LIMIT, ""), "{who}: {ended:?}");
        assert!(ended.message.starts_with("limit handles: "), "{who}: {ended:?}");
        assert!(ended.message.contains(&format!(", in part {part}\n")), "{who}: {ended:?}");
    }
}
