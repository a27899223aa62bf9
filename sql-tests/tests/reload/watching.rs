//! Directories that are put in place of others.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use wasmfusion::{PluginState, Registry};
use wasmfusion_sql_tests::new_session;

use super::{adding, put, until, value};

#[tokio::test]
async fn a_link_to_another_directory_is_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    for (release, number) in [("one", 1), ("two", 2)] {
        fs::create_dir(path.join(release)).expect("made");
        put(&path.join(release), "first.wat", &adding("first", number));
    }
    let swap = |release: &str| {
        symlink(path.join(release), path.join("new")).expect("linked");
        fs::rename(path.join("new"), path.join("plugins")).expect("moved");
    };
    swap("one");
    let registry = Registry::default();
    let directory = registry.open_dir(path.join("plugins"));
    let directory = directory.expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("2"));
    swap("two");
    until(&ctx, "SELECT first(1)", Some("3")).await;
    // From then on that one is watched.
    put(&path.join("two"), "second.wat", &adding("second", 5));
    until(&ctx, "SELECT second(1)", Some("6")).await;
    // One that is away for a while takes nothing along.
    fs::rename(path.join("two"), path.join("away")).expect("moved");
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    fs::create_dir(path.join("two")).expect("made");
    put(&path.join("two"), "first.wat", &adding("first", 7));
    until(&ctx, "SELECT first(1)", Some("8")).await;
    until(&ctx, "SELECT second(1)", None).await;
    drop(directory);
}

/// As Kubernetes mounts a ConfigMap: files are links through a link to a folder, which is replaced.
#[tokio::test]
async fn files_that_are_links_are_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mount = folder.path().join("mount");
    fs::create_dir(&mount).expect("made");
    for (version, number) in [("..2026_1", 1), ("..2026_2", 2)] {
        fs::create_dir(mount.join(version)).expect("made");
        put(&mount.join(version), "first.wat", &adding("first", number));
    }
    symlink("..2026_1", mount.join("..data")).expect("linked");
    symlink("..data/first.wat", mount.join("first.wat")).expect("linked");
    // A link to a file elsewhere, of whose change the directory hears nothing.
    let elsewhere = folder.path().join("elsewhere.wat");
    fs::write(&elsewhere, adding("second", 1)).expect("written");
    symlink(&elsewhere, mount.join("second.wat")).expect("linked");
    let registry = Registry::default();
    let directory = registry.open_dir(&mount).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    symlink("..2026_2", mount.join("..data_tmp")).expect("linked");
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).expect("moved");
    until(&ctx, "SELECT first(1)", Some("3")).await;
    put(folder.path(), "elsewhere.wat", &adding("second", 4));
    until(&ctx, "SELECT second(1)", Some("5")).await;
    drop(directory);
}

#[tokio::test]
async fn what_is_unloaded_by_hand_stays_so_until_its_file_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "first.wat", &adding("first", 1));
    let registry = Registry::default();
    let directory = registry.open_dir(folder.path()).expect("it can be watched");
    let ctx = new_session(&registry, Arc::default()).expect("a session");
    let read = || directory.refresh().expect("it can be read");
    registry.unload("first").expect("it was loaded");
    // Other changes in the directory do not bring it back, nor does a version of it that is refused.
    put(folder.path(), "second.wat", &adding("second", 1));
    read();
    assert!(value(&ctx, "SELECT first(1)").await.is_err());
    assert_eq!(registry.state("first"), Some(PluginState::Unloaded));
    put(folder.path(), "first.wat", "(module");
    read();
    read();
    assert!(registry.plugin("first").is_none());
    put(folder.path(), "first.wat", &adding("first", 2));
    read();
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    // Reloaded by hand, it is the file's again.
    registry.unload("first").expect("it was loaded");
    registry.reload("first").await.expect("it is there");
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("3"));
    put(folder.path(), "first.wat", &adding("first", 3));
    read();
    assert_eq!(value(&ctx, "SELECT first(1)").await.as_deref(), Ok("4"));
    fs::remove_file(folder.path().join("first.wat")).expect("ours");
    read();
    assert!(registry.plugin("first").is_none());
}
