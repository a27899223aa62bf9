//! Functions that move from one plugin to another.

use std::sync::Arc;

use wasmfusion::Registry;
use wasmfusion_sql_tests::new_session;

use super::{adding_in, problem, put, value};

#[tokio::test]
async fn a_function_moves_to_another_plugin() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    put(path, "aa.wat", &adding_in("aa", "ff", 1));
    put(path, "bb.wat", &adding_in("bb", "gg", 2));
    let registry = Registry::default();
    let directory = registry.open_dir(path).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let read = || directory.refresh().expect("it can be read");
    // They swap, in one reading.
    put(path, "aa.wat", &adding_in("aa", "gg", 10));
    put(path, "bb.wat", &adding_in("bb", "ff", 20));
    read();
    assert_eq!(problem(&directory, "aa.wat"), None);
    assert_eq!(value(&ctx, "SELECT ff(1)").await.as_deref(), Ok("21"));
    assert_eq!(value(&ctx, "SELECT gg(1)").await.as_deref(), Ok("11"));
    // To a file that comes first, while its owner lets it go in the same reading.
    put(path, "aa.wat", &adding_in("aa", "ff", 30));
    put(path, "bb.wat", &adding_in("bb", "hh", 40));
    read();
    assert_eq!(value(&ctx, "SELECT ff(1)").await.as_deref(), Ok("31"));
    assert_eq!(value(&ctx, "SELECT hh(1)").await.as_deref(), Ok("41"));
    assert!(value(&ctx, "SELECT gg(1)").await.is_err());
    // In two steps: first it is there twice, and the second is refused; then the first lets it go.
    put(path, "bb.wat", &adding_in("bb", "ff", 50));
    read();
    assert!(problem(&directory, "bb.wat").is_some_and(|p| p.contains("function ff already")));
    assert_eq!(value(&ctx, "SELECT ff(1)").await.as_deref(), Ok("31"));
    assert_eq!(value(&ctx, "SELECT hh(1)").await.as_deref(), Ok("41"));
    put(path, "aa.wat", &adding_in("aa", "kk", 60));
    read();
    assert_eq!(problem(&directory, "bb.wat"), None);
    assert_eq!(value(&ctx, "SELECT ff(1)").await.as_deref(), Ok("51"));
    assert_eq!(value(&ctx, "SELECT kk(1)").await.as_deref(), Ok("61"));
    // The owner goes: its file is removed.
    put(path, "cc.wat", &adding_in("cc", "ff", 70));
    read();
    assert!(problem(&directory, "cc.wat").is_some());
    std::fs::remove_file(path.join("bb.wat")).expect("ours");
    read();
    assert_eq!(value(&ctx, "SELECT ff(1)").await.as_deref(), Ok("71"));
    // What a session has dropped does not come back with another plugin.
    let ctx = {
        use wasmfusion::SessionContextExt;
        ctx.wasm_sql("DROP FUNCTION ff").await.expect("dropped");
        ctx
    };
    put(path, "cc.wat", &adding_in("cc", "ll", 80));
    put(path, "dd.wat", &adding_in("dd", "ff", 90));
    read();
    assert!(value(&ctx, "SELECT ff(1)").await.is_err());
    let other = new_session(&registry, Arc::default()).expect("a session");
    assert_eq!(value(&other, "SELECT ff(1)").await.as_deref(), Ok("91"));
}

#[tokio::test]
async fn a_file_that_is_renamed_keeps_its_plugin() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    put(path, "zz.wat", &adding_in("aa", "ff", 1));
    let registry = Registry::default();
    let directory = registry.open_dir(path).expect("it can be watched");
    let before = registry.plugin("aa").expect("it is loaded");
    std::fs::rename(path.join("zz.wat"), path.join("bb.wat")).expect("ours");
    directory.refresh().expect("it can be read");
    let after = registry.plugin("aa").expect("it is still there");
    assert!(Arc::ptr_eq(&before, &after));
    put(path, "bb.wat", &adding_in("aa", "ff", 2));
    directory.refresh().expect("it can be read");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    assert_eq!(value(&ctx, "SELECT ff(1)").await.as_deref(), Ok("3"));
    std::fs::remove_file(path.join("bb.wat")).expect("ours");
    directory.refresh().expect("it can be read");
    assert!(registry.plugin("aa").is_none());
}
