//! Tests of `egress::credential`.
#![allow(clippy::unwrap_used)]
use super::*;
use std::os::unix::fs::symlink;

const TOKEN: &str = "s3cret-token-of-the-test";

fn credential(header: &str) -> Credential {
    Credential { header: header.into(), prefix: "Bearer ".into(), file: "token".into(), plain_http: false }
}

fn files(content: &[u8]) -> (tempfile::TempDir, Files) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("token"), content).unwrap();
    let files = Files::new(Some(directory.path()));
    (directory, files)
}

fn injected(content: &[u8], headers: &mut HeaderMap) -> Result<(), Error> {
    let (_directory, files) = files(content);
    let credential = credential("Authorization");
    inject(headers, &credential, &read(&files, &credential)?)
}

#[test]
fn the_value_goes_in_after_its_prefix_without_the_last_newline() {
    for content in ["s3cret-token-of-the-test", "s3cret-token-of-the-test\n", "s3cret-token-of-the-test\r\n"]
    {
        let mut headers = HeaderMap::new();
        injected(content.as_bytes(), &mut headers).unwrap();
        assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
        assert!(headers["authorization"].is_sensitive());
    }
}

#[test]
fn what_the_guest_set_under_that_name_is_dropped() {
    let mut headers = HeaderMap::new();
    headers.append("authorization", HeaderValue::from_static("Bearer mine"));
    headers.append("Authorization", HeaderValue::from_static("Basic mine"));
    headers.append("x-other", HeaderValue::from_static("kept"));
    injected(TOKEN.as_bytes(), &mut headers).unwrap();
    assert_eq!(headers.get_all("authorization").iter().count(), 1);
    assert_eq!(headers["x-other"], "kept");
    let mut headers = HeaderMap::new();
    headers.append("x_api_key", HeaderValue::from_static("mine"));
    headers.append("x-api_key", HeaderValue::from_static("mine"));
    remove(&mut headers, &HeaderName::from_static("x-api-key"));
    assert!(headers.is_empty());
}

#[test]
fn what_is_no_credential_is_refused_without_a_word_of_it() {
    let long = vec![b'x'; CREDENTIAL_BYTES_MAX + 1];
    for (content, why) in [
        (b"".as_slice(), "file token is empty, or longer than 16384 bytes"),
        (b"\n", "file token is empty, or longer than 16384 bytes"),
        (&long, "file token is empty, or longer than 16384 bytes"),
        (b"s3cret\nX-Evil: 1", "file token has what no header can carry"),
        (b"s3cret\0", "file token has what no header can carry"),
    ] {
        let mut headers = HeaderMap::new();
        assert_eq!(injected(content, &mut headers).unwrap_err().to_string(), why);
        assert!(headers.is_empty());
    }
    let (_directory, files) = files(TOKEN.as_bytes());
    let secret = read(&files, &credential("Authorization")).unwrap();
    for header in ["Host", "Content-Length", "Transfer-Encoding", "no header", ""] {
        let refused = inject(&mut HeaderMap::new(), &credential(header), &secret).unwrap_err();
        assert_eq!(refused.to_string(), format!("header {header} can't carry a credential"));
    }
    assert_eq!(format!("{secret:?}"), "Secret");
}

#[test]
fn a_file_that_is_not_there_says_so_and_a_name_is_no_way() {
    let (directory, files) = files(TOKEN.as_bytes());
    std::fs::write(directory.path().join("other"), "x").unwrap();
    for name in ["missing", "../other", "a/b", "", ".", "..data"] {
        let credential = Credential { file: name.into(), ..credential("Authorization") };
        assert!(
            read(&files, &credential).unwrap_err().to_string().starts_with(&format!("file {name} can't")),
            "{name}"
        );
    }
    let none = read(&Files::new(None), &credential("Authorization")).unwrap_err();
    assert_eq!(none.to_string(), "the task has no files");
}

#[test]
fn a_rotated_file_is_read_at_the_next_request() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (version, token) in [("..1", "first-value"), ("..2", "second-value")] {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("token"), token).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/token", at("token")).unwrap();
    let files = Files::new(Some(directory.path()));
    let credential = credential("Authorization");
    assert_eq!(read(&files, &credential).unwrap().0.as_slice(), b"first-value");
    symlink("..2", at("..data_tmp")).unwrap();
    std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    std::fs::remove_dir_all(at("..1")).unwrap();
    assert_eq!(read(&files, &credential).unwrap().0.as_slice(), b"second-value");
}

#[test]
fn copies_in_an_answer_are_removed_and_nothing_else() {
    let (_directory, files) = files(TOKEN.as_bytes());
    let secret = read(&files, &credential("Authorization")).unwrap();
    let mut headers = HeaderMap::new();
    for value in [TOKEN.to_owned(), format!("Bearer {TOKEN}"), format!("https://x.example/?t={TOKEN}&a")] {
        headers.append("x-echo", HeaderValue::from_str(&value).unwrap());
    }
    headers.append("x-other", HeaderValue::from_static("s3cret-token-of"));
    secret.scrub(&mut headers);
    assert_eq!(headers.len(), 1, "{headers:?}");
    // A short one is removed where it is the whole.
    let short = Secret(Zeroizing::new(b"1".to_vec()));
    headers.append("content-length", HeaderValue::from_static("100"));
    headers.append("x-echo", HeaderValue::from_static("1"));
    short.scrub(&mut headers);
    assert_eq!(headers.len(), 2, "{headers:?}");
}
