use super::*;
use crate::module::fixture::guest;

fn from_bytes(bytes: &[u8]) -> Result<ModuleSource, ModuleError> {
    ModuleSource::from_bytes(bytes, &Limits::default())
}

fn refusal(bytes: &[u8]) -> String {
    from_bytes(bytes)
        .expect_err("the bytes are refused")
        .to_string()
}

#[test]
fn binary_and_text_give_the_same_module() {
    let text = "(module (func))";
    let from_text = from_bytes(text.as_bytes()).unwrap();
    let from_binary = from_bytes(from_text.bytes()).unwrap();
    assert_eq!(from_text.bytes(), from_binary.bytes());
    assert_eq!(from_text.digest(), from_binary.digest());
    assert_eq!(from_text.digest(), Digest::of(from_text.bytes()));
    from_bytes(b"\n\t;; a comment\n(module)").unwrap();
    from_bytes(b"(; a comment ;) (module)").unwrap();
}

#[test]
fn what_is_no_module_is_refused() {
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(b"\0asm").contains("starts with the bytes 00 61 73 6d, expected"));
    assert!(refusal(b"#!/bin/sh").contains("this is not a WebAssembly module"));
    assert!(refusal(b"\0asm\x0d\0\x01\0\0").contains("`--target wasm32-unknown-unknown`"));
}

#[test]
fn bad_text_is_refused_with_its_line() {
    let message = refusal(b"(module\n  (func (result i33)))");
    assert!(
        message.contains("does not parse") && message.contains(":2:17"),
        "{message}"
    );
    assert!(refusal(b"(module \xff)").contains("not UTF-8 after byte 8"));
    let hidden = refusal("(module\n(func) \u{1b}[2J x)".as_bytes());
    assert!(!hidden.contains('\u{1b}'), "{hidden}");
    assert!(refusal(&b"(".repeat(100_000)).len() < 4_000);
}

#[test]
fn files_are_read_and_what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| ModuleSource::from_file(&folder.path().join(name), &Limits::default());
    std::fs::write(folder.path().join("guest.wasm"), guest("")).unwrap();
    assert_eq!(read("guest.wasm").unwrap().bytes()[..], guest("")[..]);
    std::fs::write(folder.path().join("guest.wat"), "(module)").unwrap();
    read("guest.wat").unwrap();

    assert!(matches!(
        read("missing.wasm"),
        Err(ModuleError::FileMissing)
    ));
    assert!(matches!(read("."), Err(ModuleError::FileIsDirectory)));
    assert!(matches!(
        read("guest.wat/x"),
        Err(ModuleError::FileUnreadable(_))
    ));
    #[cfg(target_os = "linux")]
    assert!(matches!(
        ModuleSource::from_file(Path::new("/dev/zero"), &Limits::default()),
        Err(ModuleError::FileIsSpecial)
    ));
}

#[test]
fn the_size_is_limited_in_memory_in_files_and_after_text() {
    let limits = Limits {
        module_bytes_max: 100,
        ..Limits::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.wasm");
    // The file has holes and takes no space: its size alone is enough to refuse it.
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let error = ModuleSource::from_file(&path, &limits)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1099511627776 bytes, more than the 100 that `module_bytes_max`"),
        "{error}"
    );
    assert!(matches!(
        ModuleSource::from_bytes(&[0; 101], &limits),
        Err(ModuleError::TooLarge {
            bytes: 101,
            max: 100
        })
    ));
    let text = br#"(module (memory 1)(data (i32.const 0) "0123456789")(func) (func) (func))"#;
    assert!(text.len() <= 100);
    ModuleSource::from_bytes(text, &limits).unwrap();
    let grown = format!("(module{})", "(func)".repeat(15));
    let binary =
        ModuleSource::from_bytes(grown.as_bytes(), &limits).map(|source| source.bytes().len());
    assert!(binary.is_ok_and(|len| len <= 100));
}
