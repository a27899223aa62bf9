use std::time::{Duration, Instant};

use wasm_encoder::{CustomSection, Module, RawSection};
use wasmtime::{Config, Engine, Instance, Store, Val, WasmBacktrace};

use super::*;
use crate::module::fixture::{INTERFACE, binary, noise};
use crate::module::instrument::instrument;

/// A guest in text form that traps in a line that says so, behind loops, calls and other functions that get probes.
///
/// The text parser's line tables count from behind the number of functions, one byte later than other compilers', so the
/// instruction that matters has a `nop` behind it on its line. They also go wrong where instructions are nested in parentheses.
const TRAPPING: &str = r#"
    (func $before loop nop end loop nop end)
    (func $deep (param i32)
        loop
            i32.const 0
            br_if 0
        end
        call $before
        local.get 0
        if
            i32.const -1 i32.load drop nop ;; here
        end
        loop nop end)
    (func (export "f")
        i32.const 1
        call $deep nop)
"#;

/// With line tables, in a module that is called `guest.wat`.
fn with_lines(text: &str) -> Vec<u8> {
    let mut parser = wat::Parser::new();
    parser.generate_dwarf(wat::GenerateDwarf::Lines);
    parser.parse_str(Some("guest.wat".as_ref()), text).unwrap()
}

fn line_of(text: &str, mark: &str) -> u32 {
    let line = text.lines().position(|line| line.contains(mark));
    line.unwrap() as u32 + 1
}

/// Where a module traps when its export `name` is called: functions and offsets, innermost first.
fn trapped(original: &[u8], probes: Probes, name: &str, args: &[Val]) -> Vec<(u32, Option<usize>)> {
    let mut config = Config::new();
    config.wasm_multi_memory(true);
    let engine = Engine::new(&config).unwrap();
    let module = wasmtime::Module::new(&engine, instrument(original, probes).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let function = instance.get_func(&mut store, name).unwrap();
    let mut results = vec![Val::I32(0); function.ty(&store).results().len()];
    let error = function.call(&mut store, args, &mut results).unwrap_err();
    let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
    let frames = backtrace.frames().iter();
    frames
        .map(|frame| (frame.func_index(), frame.func_offset()))
        .collect()
}

/// Runs `f` in a module and explains where it trapped, innermost first.
fn trap(original: &[u8], probes: Probes) -> Vec<Frame> {
    let symbolizer = Symbolizer::new(original.into(), probes);
    let places = trapped(original, probes, "f", &[]);
    let frames: Vec<Frame> = places
        .iter()
        .map(|&(function, offset)| symbolizer.resolve(function, offset))
        .collect();
    // Many in one go are the same.
    let until = Instant::now() + Duration::from_secs(60);
    let all = symbolizer.resolve_all(&places, until).concat();
    assert_eq!(all, frames);
    frames
}

#[test]
fn functions_that_were_compiled_into_others_are_found() {
    let original = include_bytes!("inlined.wasm");
    let source = include_str!("inlined.rs");
    for probes in [Probes::On, Probes::Off] {
        let places = trapped(original, probes, "outer", &[Val::I32(6)]);
        let symbolizer = Symbolizer::new(original.as_slice().into(), probes);
        let until = Instant::now() + Duration::from_secs(60);
        let frames = symbolizer.resolve_all(&places, until).concat();
        let found: Vec<_> = frames
            .iter()
            .map(|frame| (frame.function.as_str(), frame.line))
            .collect();
        let line = |text| Some(line_of(source, text));
        let expected = [
            ("outer", line("middle(n) * 3")),
            ("inlined::middle", line("innermost(n ^ 1)")),
            // Where it decides to trap, as the compiler has it.
            ("inlined::innermost", line("if n == 7")),
        ];
        // What comes below them is of the standard library.
        assert_eq!(found.get(..3), Some(expected.as_slice()), "{frames:?}");
        let file = frames[0].file.as_deref();
        assert!(
            file.is_some_and(|file| file.ends_with("inlined.rs")),
            "{file:?}"
        );
        // Without time, there are names.
        let late = symbolizer.resolve_all(&places, Instant::now()).concat();
        assert_eq!(late[0].function, "outer");
    }
}

#[test]
fn a_trap_is_found_in_the_source() {
    let text = format!("(module {INTERFACE} {TRAPPING})");
    let original = with_lines(&text);
    for probes in [Probes::On, Probes::Off] {
        let frames = trap(&original, probes);
        assert_eq!(frames[0].function, "deep");
        assert!(
            frames[0]
                .file
                .as_ref()
                .is_some_and(|file| file.ends_with("guest.wat")),
            "{:?}",
            frames[0]
        );
        assert_eq!(
            frames[0].line,
            Some(line_of(&text, ";; here")),
            "{probes:?}"
        );
        assert_eq!(
            frames[1].line,
            Some(line_of(&text, "call $deep")),
            "{probes:?}"
        );
        assert!(
            frames[0]
                .to_string()
                .ends_with(&format!("guest.wat:{})", line_of(&text, ";; here")))
        );
    }
}

#[test]
fn without_debug_information_there_is_the_name() {
    let original = binary(&format!("(module {INTERFACE} {TRAPPING})"));
    let frames = trap(&original, Probes::On);
    assert_eq!(frames[0].to_string(), "deep");
    // One without a name is known by its export.
    assert_eq!(frames[1].to_string(), "f");
}

#[test]
fn names_are_demangled_and_escaped() {
    let original = binary(
        r#"(module
            (func (@name "_ZN3geo15great_circle_km17h05af221e174051e9E"))
            (func (@name "evil\1b[2J\0aname"))
            (func (@name "_RNvCskwGfYPst2Cb_3foo16example_function")))"#,
    );
    let symbolizer = Symbolizer::new(original.into(), Probes::On);
    assert_eq!(symbolizer.resolve(0, None).function, "geo::great_circle_km");
    assert_eq!(
        symbolizer.resolve(1, None).function,
        "evil\\u{1b}[2J\\nname"
    );
    assert_eq!(
        symbolizer.resolve(2, None).function,
        "foo::example_function"
    );
    assert_eq!(
        symbolizer.resolve(9, Some(usize::MAX)).function,
        "<function 9>"
    );
}

/// A module with one function, and custom sections behind it.
fn with_sections(sections: &[(&str, &[u8])]) -> Arc<[u8]> {
    let plain = binary("(module (func (loop nop)))");
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(&plain) {
        if let Some((id, range)) = payload.unwrap().as_section()
            && id != 0
        {
            module.section(&RawSection {
                id,
                data: &plain[range],
            });
        }
    }
    for (name, data) in sections {
        module.section(&CustomSection {
            name: (*name).into(),
            data: (*data).into(),
        });
    }
    module.finish().into()
}

fn resolve_in_time(sections: &[(&str, &[u8])]) -> Frame {
    let symbolizer = Symbolizer::new(with_sections(sections), Probes::On);
    let start = Instant::now();
    let frame = symbolizer.resolve(0, Some(4));
    // The search ends after 200 ms; debug builds on busy machines are slow in a single step.
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    frame
}

#[test]
fn damaged_debug_information_is_survived() {
    let text = format!("(module {INTERFACE} {TRAPPING})");
    let original = with_lines(&text);
    for seed in 0..2_000_u64 {
        let mut damaged = original.clone();
        for byte in noise(seed, 6).chunks(2) {
            // The debug sections are at the end.
            let at = damaged.len() - 1 - usize::from(byte[0]) * 2 % (damaged.len() / 2);
            damaged[at] = byte[1];
        }
        Symbolizer::new(damaged.into(), Probes::On).resolve(4, Some(30));
    }
    for seed in 0..200 {
        let noise = noise(seed, 500);
        let all = [
            ".debug_info",
            ".debug_abbrev",
            ".debug_line",
            ".debug_ranges",
            ".debug_str",
        ]
        .map(|name| (name, &noise[..]));
        resolve_in_time(&all);
    }
}

/// `.debug_info` of `count` units of DWARF 4 that each have an entry of kind 1 and their own table of abbreviations.
fn units(count: u32, abbreviations_apart: u32) -> Vec<u8> {
    let mut info = Vec::new();
    for unit in 0..count {
        info.extend_from_slice(&12_u32.to_le_bytes()); // length of what follows
        info.extend_from_slice(&4_u16.to_le_bytes());
        info.extend_from_slice(&(unit * abbreviations_apart).to_le_bytes());
        info.push(4); // size of addresses
        info.push(1); // kind of the root
        info.extend_from_slice(&0_u32.to_le_bytes()); // its line table
    }
    info
}

/// Kind 1 is a unit with a line table; then comes one table that all tables share the end of.
fn abbreviations(bytes: usize) -> Vec<u8> {
    let mut table = Vec::new();
    while table.len() < bytes {
        table.extend_from_slice(&[1, 0x11, 0, 0x10, 0x17, 0, 0]);
    }
    table.push(0);
    table
}

#[test]
fn tables_that_are_read_again_for_every_unit_end_the_search() {
    // Distinct codes make the table valid to its end: each unit reads what is left of it.
    let mut table = Vec::new();
    for code in 1..200_000_u32 {
        let mut rest = code;
        while rest >= 0x80 {
            table.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        table.push(rest as u8);
        table.extend_from_slice(&[0x11, 0, 0x10, 0x17, 0, 0]);
    }
    table.push(0);
    let frame = resolve_in_time(&[
        (".debug_info", &units(500_000, 0)),
        (".debug_abbrev", &table),
        (".debug_line", &[0; 64]),
    ]);
    assert_eq!(frame.line, None);
    resolve_in_time(&[
        (".debug_info", &units(500_000, 7)),
        (".debug_abbrev", &abbreviations(3 << 20)),
        (".debug_line", &[0; 64]),
    ]);
}

#[test]
fn large_tables_are_not_read() {
    let mut lines = Vec::new();
    let size = 8_u32 << 20;
    lines.extend_from_slice(&(size + 100).to_le_bytes());
    lines.extend_from_slice(&5_u16.to_le_bytes());
    lines.extend_from_slice(&[4, 0]);
    lines.extend_from_slice(&size.to_le_bytes());
    lines.extend_from_slice(&[1, 1, 1, 0xfb, 14, 1, 0, 0]);
    lines.extend_from_slice(&[1, 1, 0x0f]); // one thing is known of a file: its path, as a number
    lines.extend_from_slice(&[0xff, 0xff, 0xff, 0x03]);
    lines.resize(size as usize + 104, 1);
    resolve_in_time(&[
        (".debug_info", &units(1, 0)),
        (".debug_abbrev", &abbreviations(7)),
        (".debug_line", &lines),
    ]);
    resolve_in_time(&[
        (".debug_info", &units(1, 0)),
        (".debug_abbrev", &vec![1; 5 << 20]),
        (".debug_line", &lines),
    ]);
}
