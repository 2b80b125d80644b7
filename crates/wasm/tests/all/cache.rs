//! Compiled code: embedded, cached, damaged, and in directories that cannot be trusted.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use gizmo_wasm::{EngineOptions, Guest, WasmEngine};

use crate::support::{World, logged, module_text};

const DIGEST: &str = "sha256:0123456789abcdef";

fn wasm() -> Vec<u8> {
    wat::parse_str(module_text(
        "(func (export \"gadgetInit\") (result i32) (i32.const 0))",
    ))
    .unwrap()
}

fn engine(dir: &Path) -> WasmEngine {
    WasmEngine::new(EngineOptions {
        cache_dir: Some(dir.to_owned()),
        ..EngineOptions::default()
    })
    .unwrap()
}

fn run(engine: &WasmEngine, wasm: &[u8], precompiled: Option<&'static [u8]>) {
    let module = engine.load(wasm, DIGEST, precompiled).unwrap();
    Guest::instantiate(&module, World::new().context()).unwrap();
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn code_is_cached_and_taken_from_the_cache() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a/b");
    run(&engine(&dir), &wasm(), None);
    assert_eq!(
        std::fs::metadata(&dir).unwrap().permissions().mode() & 0o7777,
        0o700
    );
    let found = files(&dir);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        std::fs::metadata(&found[0]).unwrap().permissions().mode() & 0o777,
        0o600
    );
    // Rubbish with the same digest: only the cache can make it run.
    run(&engine(&dir), b"rubbish", None);
    assert!(engine(&dir).load(b"rubbish", "sha256:other", None).is_err());
}

#[test]
fn damaged_and_suspicious_files_are_ignored() {
    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o700);
    run(&engine(dir.path()), &wasm(), None);
    let file = files(dir.path()).remove(0);
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for bad in [flipped.as_slice(), &good[..good.len() / 2], b"", b"rubbish"] {
        std::fs::write(&file, bad).unwrap();
        let ((), lines) = logged(|| run(&engine(dir.path()), &wasm(), None));
        assert!(
            lines.iter().any(|line| line.contains("damaged")),
            "{lines:?}"
        );
        assert_eq!(
            std::fs::read(&file).unwrap().len(),
            good.len(),
            "written again"
        );
    }
    set_mode(&file, 0o666);
    assert!(engine(dir.path()).load(b"rubbish", DIGEST, None).is_err());
    std::fs::remove_file(&file).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    std::fs::write(&elsewhere, &good).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert!(engine(dir.path()).load(b"rubbish", DIGEST, None).is_err());
}

#[test]
fn directories_that_others_reach_are_not_used() {
    let parent = tempfile::tempdir().unwrap();
    let open = parent.path().join("open");
    std::fs::create_dir(&open).unwrap();
    for mode in [0o777, 0o720, 0o702, 0o755] {
        set_mode(&open, mode);
        let (engine, lines) = logged(|| engine(&open));
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("WARN") && line.contains("not used")),
            "{lines:?}"
        );
        run(&engine, &wasm(), None);
        assert!(files(&open).is_empty());
    }
    set_mode(&open, 0o700);
    let link = parent.path().join("link");
    symlink(&open, &link).unwrap();
    run(&engine(&link), &wasm(), None);
    let file = parent.path().join("file");
    std::fs::write(&file, "").unwrap();
    run(&engine(&file), &wasm(), None);
    assert!(files(&open).is_empty());
}

#[test]
fn odd_digests_are_not_file_names() {
    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o700);
    for digest in ["", "../../x", "a/b", ".hidden", &"x".repeat(200)] {
        engine(dir.path()).load(&wasm(), digest, None).unwrap();
    }
    assert!(files(dir.path()).is_empty());
}

#[test]
#[ignore = "root: gives a directory to another user"]
fn directories_of_others_are_not_used() {
    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o700);
    std::os::unix::fs::chown(dir.path(), Some(65534), None).unwrap();
    run(&engine(dir.path()), &wasm(), None);
    assert!(files(dir.path()).is_empty());
}

#[test]
fn embedded_code_comes_first() {
    let engine = WasmEngine::new(EngineOptions::default()).unwrap();
    let code: &'static [u8] = WasmEngine::precompile(&wasm()).unwrap().leak();
    run(&engine, b"rubbish", Some(code));
    assert!(engine.load(b"rubbish", DIGEST, Some(b"damaged")).is_err());
    run(&engine, &wasm(), Some(b"damaged"));
}
